# Bytes that are no text at all: what arrives is what was sent, and what was recorded.
ready
via 'head -c 10485760 /dev/urandom | tee random' >out
equal 'digest at the client' "$(sha256sum <out)" "$(via 'sha256sum <random; rm random')"
via 'head -c 10485760 /dev/urandom' >out
equal 'size' "$(stat -c %s out)" 10485760
recording_of_last
in_recording stdout >recorded
same_bytes 'output and recorded output' out recorded
