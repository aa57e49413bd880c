# Of a pipeline the script on standard input is the command.
ready
cat >script <<'SCRIPT'
set -e
for i in 1 2 3; do echo "step $i"; done
printf 'with \303\244 and \377 bytes\n'
exit 3
SCRIPT
code=0
via 'bash -s' <script >out || code=$?
equal 'exit code' "$code" 3
recording_of_last
in_recording input >input
same_bytes 'the script and the recorded input' script input
in_recording stdout >recorded
same_bytes 'output and recorded output' out recorded
