// A command or a transfer by ssh2 for Node, as a program on it would do it: client.mjs WAY PORT USER KEY OP ARGUMENT... (library.py
// has the words). NODE_CLIENTS: the folder that ssh2 is installed in.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(process.env.NODE_CLIENTS + '/')
const [way, port, user, key, op, ...args] = process.argv.slice(2)
if (op === 'version') {
  console.log('ssh2 ' + require('ssh2/package.json').version)
  process.exit(0)
}
const { Client } = require('ssh2')
const fail = (error) => {
  console.error(String(error.message ?? error))
  process.exit(255)
}
const privateKey = readFileSync(key)
const connected = (options) =>
  new Promise((resolve, reject) => {
    const client = new Client()
    client.on('ready', () => resolve(client)).on('error', reject)
    client.connect({ privateKey, readyTimeout: 30000, ...options })
  })
const promised = (call) => new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))))

try {
  let client
  if (way === 'plain') {
    client = await connected({ host: '127.0.0.1', port: Number(port), username: user })
  } else {
    const outer = await connected({ host: '127.0.0.1', port: Number(port), username: 'jump' })
    const sock = await promised((done) => outer.forwardOut('127.0.0.1', 0, 'db1', 22, done))
    client = await connected({ sock, username: user })
  }
  if (op === 'run' || op === 'pty') {
    const options = op === 'pty' ? { pty: { term: 'vt100', cols: 80, rows: 24 } } : {}
    client.exec(args[0], options, (error, stream) => {
      if (error) fail(error)
      // In the callback itself: the exit status may be in the packet behind the reply, and nothing waits for who listens later.
      let code = 255
      stream.on('exit', (status) => { code = status ?? 255 })
      stream.on('close', () => process.stdout.write('', () => process.exit(code)))
      stream.pipe(process.stdout, { end: false })
      stream.stderr.pipe(process.stderr, { end: false })
      process.stdin.pipe(stream)
    })
  } else {
    const sftp = await promised((done) => client.sftp(done))
    await promised((done) => (op === 'put' ? sftp.fastPut(args[0], args[1], done) : sftp.fastGet(args[0], args[1], done)))
    process.exit(0)
  }
} catch (error) {
  fail(error)
}
