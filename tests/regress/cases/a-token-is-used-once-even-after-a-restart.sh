# A token that was used is worth nothing, to its owner either, whatever happened to the process in between.
new_bastion
pipeline_token build
exchange ci >/dev/null || fail 'the first use'
! exchange ci >second || fail 'the second use gave a certificate'
stop_bastion KILL
serve
! exchange ci >third || fail 'the third use, after a restart, gave a certificate'
jq -e '.code and .reference' third >/dev/null || fail "the refusal is no problem+json: $(cat third)"
