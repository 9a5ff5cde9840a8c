export default { test: { include: ["conformance.test.mjs"], reporters: ["json"] } }
