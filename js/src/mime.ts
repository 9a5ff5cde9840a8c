/** The type of a chat's data in a cell's output. */
export const MIME_TYPE = 'application/vnd.jupyter-durable-chat.v1+json'
