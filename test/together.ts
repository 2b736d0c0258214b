/** Many test files in one process: those that start no node take less time than a process of their own would. */
const { SKIFF_TESTS = '' } = process.env
for (const file of SKIFF_TESTS.split('\n')) await import(`./${file}`)

export {}
