# LANG, LC_* and COLORTERM pass; others are dropped without failure, though the target itself would take them.
ready
got=$(via -o 'SetEnv=LC_TEST=passes DEPLOY_TEST=dropped SALLYPORT_TEST=ends COLORTERM=truecolor' -- \
  'echo "$LC_TEST|${DEPLOY_TEST-none}|${SALLYPORT_TEST-none}|$COLORTERM"')
equal 'environment' "$got" 'passes|none|none|truecolor'
recording_of_last
contains 'markers' "$(in_recording markers)" DEPLOY_TEST
