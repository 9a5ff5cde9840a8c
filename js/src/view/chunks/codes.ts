/** Codes for cameras, which few people ask for. */

export { Qr } from '../Qr'
