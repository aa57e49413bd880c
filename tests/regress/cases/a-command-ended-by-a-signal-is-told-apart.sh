# exit-signal is carried: ssh has no code for it and gives 255, as it does without a bastion.
ready
code=0
via 'kill -TERM $$' 2>err || code=$?
equal 'exit code' "$code" 255
lacks 'stderr' "$(cat err)" 'sallyport:'
