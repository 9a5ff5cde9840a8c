/** What the builder of labextensions is told: names are numbers in the order of use, since its own are made of this folder's path. */

module.exports = { optimization: { moduleIds: 'natural' } }
