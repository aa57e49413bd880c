// Does what cloud-init and Ansible would do with the output of `trust`, below a folder of our own.
// Arguments: cloud-init|ansible, folder. The text comes on standard input; commands that would run go to standard output.
import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

const [kind, folder] = process.argv.slice(2)
const text = readFileSync(0, 'utf8')
const document = parse(text, { strict: true })

function write (path, content, mode, keep = false) {
  const at = join(folder, path)
  if (keep && existsSync(at)) return
  mkdirSync(dirname(at), { recursive: true })
  writeFileSync(at, content, { mode: parseInt(mode, 8) })
}

if (kind === 'cloud-init') {
  if (!text.startsWith('#cloud-config\n')) throw new Error('not user data')
  for (const { path, content, permissions } of document.write_files) write(path, content, permissions)
  for (const command of document.runcmd) console.log(command)
} else {
  const [{ become, block }] = document
  if (become !== true) throw new Error('not as root')
  for (const task of block) {
    if (!task.name) throw new Error('a task without a name')
    const copy = task['ansible.builtin.copy']
    const file = task['ansible.builtin.blockinfile']
    const line = task['ansible.builtin.lineinfile']
    const run = task['ansible.builtin.shell'] ?? task['ansible.builtin.command']
    if (copy) write(copy.dest, copy.content, copy.mode, copy.force === false)
    else if (file) write(file.path, `# BEGIN\n${file.block.trimEnd()}\n# END\n`, file.mode)
    else if (line) {
      const adds = line.insertbefore === 'BOF' ? `sed -i '1i ${line.line}' ${line.path}` : `echo '${line.line}' >> ${line.path}`
      console.log(task.when === 'sallyport_penalties.rc == 0' ? `[ "$rc" != 0 ] || ${adds}` : adds)
    } else if (run) console.log(task.register === 'sallyport_penalties' && task.failed_when === false ? `rc=0; ${run} || rc=$?` : run)
    else throw new Error(`nothing known in ${Object.keys(task)}`)
  }
}
