# `sallyport witness` against a checker in Python that was written from the specification; then a kill -9, and it remembers.
mkdir log
python3 "$HERE/witness.py" make log
role=("$SALLYPORT" witness --dir "$PWD/witness" --name witness.example.com/w1 --log log/log.trust)
key=$("${role[@]}" --print-key | cut -d' ' -f3)
PORT=$(free_port)
run_witness() {
  start witness "${role[@]}" --listen "127.0.0.1:$PORT"
  WITNESS=$PID
  eventually 10 listens "$PORT" || { cat witness.log; fail 'the witness listens'; }
}
run_witness
python3 "$HERE/witness.py" ask log "http://127.0.0.1:$PORT" "$key" || { cat witness.log; fail 'the witness'; }
code=0
"${role[@]}" --listen 127.0.0.1:0 >second.log 2>&1 || code=$?
equal 'exit code of a second witness on the folder' "$code" 1
kill -9 "$WITNESS"
wait "$WITNESS" 2>/dev/null || true
run_witness
python3 "$HERE/witness.py" ask log "http://127.0.0.1:$PORT" "$key" || { cat witness.log; fail 'the witness after a crash'; }
