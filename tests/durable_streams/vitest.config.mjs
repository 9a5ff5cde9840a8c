// A test may take its time: what takes too long is found by the test that runs all of these.
export default { test: { include: ["conformance.test.mjs"], reporters: ["json"], testTimeout: 120_000 } }
