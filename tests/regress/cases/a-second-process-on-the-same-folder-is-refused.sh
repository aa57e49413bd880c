# Two writers would ruin the evidence of both.
new_bastion
code=0
timeout 20 "$SALLYPORT" serve --config "$CONFIG" >second.log 2>&1 || code=$?
equal 'exit code' "$([ "$code" = 1 ] || [ "$code" = 2 ] && echo refused || echo "$code")" refused
contains 'message' "$(cat second.log)" 'another sallyport'
