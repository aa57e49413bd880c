// The shell commands of a pipeline's file, as the CI system would run them: GitHub Actions, GitLab or Buildkite.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

const document = parse(readFileSync(0, 'utf8'), { strict: true })
const jobs = Object.values(document.jobs ?? {})
const steps = [...jobs.flatMap((job) => job.steps.map((step) => step.run)), ...(document.steps ?? []).map((step) => step.command)]
const scripts = Object.values(document).flatMap((job) => job?.script ?? [])
const found = [...steps, ...scripts].filter(Boolean)
if (found.length === 0) throw new Error('no commands')
console.log(found.join('\n'))
