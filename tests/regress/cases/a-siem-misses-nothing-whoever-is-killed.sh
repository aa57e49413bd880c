# Bastion and receivers are killed in turn: each of three sinks has every record in the end, and each proves which leaf it is.
new_bastion
syslog=$(free_port) otlp=$(free_port)
make_tls logs
printf 'a-token-of-a-test\n' >bearer
chmod 600 bearer
secret "$(cat bearer)"
cat >>"$CONFIG" <<CONFIG

[[siem]]
name = "file"
kind = "file"
file = "$PWD/file.jsonl"

[[siem]]
name = "syslog"
kind = "syslog"
address = "localhost:$syslog"
ca_file = "$PWD/logs-ca.pem"

[[siem]]
name = "otlp"
kind = "otlp"
url = "http://127.0.0.1:$otlp/v1/logs"
token_file = "$PWD/bearer"
internal = true
CONFIG
"$SALLYPORT" check --config "$CONFIG" >check 2>&1 || fail "check: $(cat check)"
receivers() {
  start "syslog-$1" python3 "$HERE/siem.py" syslog "$syslog" "$PWD/syslog.jsonl" "$PWD/logs.pem" "$PWD/logs.key"
  SYSLOG=$PID
  start "otlp-$1" python3 "$HERE/siem.py" otlp "$otlp" "$PWD/otlp.jsonl"
  OTLP=$PID
  eventually 20 grep -q ready "syslog-$1.log" || fail "$(cat "syslog-$1.log")"
  eventually 20 grep -q ready "otlp-$1.log" || fail "$(cat "otlp-$1.log")"
}
# has FILE COUNT: whether so many commands have come.
has() { [ -f "$1" ] && [ "$(grep -o '"event_code":"SP2010I"[^}]*"sequence":[0-9]*' "$1" | sort -u | wc -l)" -ge "$2" ]; }

stop_bastion TERM
serve
sign_in alice
equal 'with receivers that are down' "$(via 'echo one')" one
eventually 40 has file.jsonl 1 || fail "the file has nothing: $(cat serve.log)"
stop_bastion KILL
receivers 1
serve
equal 'after the bastion was killed' "$(via 'echo two')" two
for sink in file syslog otlp; do eventually 60 has "$sink.jsonl" 2 || fail "$sink: $(tail -n 20 serve.log)"; done
kill -9 "$SYSLOG" "$OTLP"
equal 'after the receivers were killed' "$(via 'echo three')" three
eventually 40 has file.jsonl 3 || fail 'the file waits for the other sinks'
receivers 2
equal 'and again' "$(via 'echo four')" four
stop_bastion KILL
serve
for sink in file syslog otlp; do eventually 60 has "$sink.jsonl" 4 || fail "$sink: $(tail -n 20 serve.log)"; done
stop_bastion TERM
python3 - <<'PYTHON' || fail 'what the sinks have'
import hashlib, json
heads = []
for sink in ["file", "syslog", "otlp"]:
    raw = {}
    with open(sink + ".jsonl", encoding="ascii") as lines:
        for line in lines:
            event = json.loads(line)
            record = event["raw_data"].encode()
            seq = event["metadata"]["sequence"]
            assert json.loads(record)["seq"] == seq
            leaf = hashlib.sha256(b"\0" + record).hexdigest()
            assert event["attestation_list"][0]["fingerprint"]["value"] == leaf
            assert event["unmapped"]["checkpoint"]["size"] > seq
            assert raw.setdefault(seq, record) == record, "a record has changed"
    assert sorted(raw) == list(range(len(raw))), f"{sink} has a gap"
    heads.append(raw)
    print(sink, len(raw))
least = min(len(raw) for raw in heads)
for seq in range(least):
    assert heads[0][seq] == heads[1][seq] == heads[2][seq]
PYTHON
"$SALLYPORT" store check --config "$CONFIG" >store 2>&1 || fail "store check: $(cat store)"
rm bearer
