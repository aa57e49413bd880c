# A command or a transfer by net-ssh, as a program on it would do it: client.rb WAY PORT USER KEY OP ARGUMENT... (library.py has
# the words).
require 'net/ssh'
require 'net/sftp'
require 'net/ssh/proxy/command'

way, port, user, key, op, *arguments = ARGV
if op == 'version'
  puts "net-ssh #{Net::SSH::Version::CURRENT} (ruby #{RUBY_VERSION})"
  exit
end
options = {
  keys: [key], keys_only: true, use_agent: false, config: false, auth_methods: ['publickey'], verify_host_key: :never,
  non_interactive: true, timeout: 30
}
host = '127.0.0.1'
if way == 'plain'
  options[:port] = port.to_i
else
  # Its own jump is a program too.
  host = 'db1'
  options[:proxy] = Net::SSH::Proxy::Command.new(ENV.fetch('JUMP_COMMAND'))
end
$stdin.binmode
$stdout.binmode
code = 0
Net::SSH.start(host, user, options) do |ssh|
  case op
  when 'put' then ssh.sftp.upload!(*arguments)
  when 'get' then ssh.sftp.download!(*arguments)
  else
    ssh.open_channel do |channel|
      channel.request_pty(term: 'vt100', chars_wide: 80, chars_high: 24) if op == 'pty'
      channel.exec(arguments.first) do |_, success|
        abort 'exec was refused' unless success
        channel.on_data { |_, data| $stdout.write(data) }
        channel.on_extended_data { |_, _, data| $stderr.write(data) }
        channel.on_request('exit-status') { |_, data| code = data.read_long }
        channel.send_data($stdin.read)
        channel.eof!
      end
    end
    ssh.loop
  end
end
exit code
