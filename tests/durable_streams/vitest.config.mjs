// A test may take its time: what takes too long is found by the test that runs all of these. The suite itself gives a stream
// two seconds by the clock, which a machine with much to do may let pass once: what is wrong is wrong the second time too.
export default { test: { include: ["conformance.test.mjs"], reporters: ["json"], testTimeout: 120_000, retry: 1 } }
