# The exposure level of the unit, as systemd measures it, is the one that docs/OPERATIONS.md quotes.
unit="$HERE/../../packaging/sallyport.service"
level=$(systemd-analyze security --offline=true --no-pager "$unit" | sed -n 's/.*exposure level for sallyport.service: \([0-9.]*\).*/\1/p')
echo "exposure level: $level"
[ -n "$level" ] || fail 'systemd-analyze gives no level'
contains 'docs/OPERATIONS.md' "$(cat "$HERE/../../docs/OPERATIONS.md")" "exposure level of $level"
for socket in sallyport.socket sallyport-http.socket; do
  contains "$socket" "$(cat "$HERE/../../packaging/$socket")" 'Service=sallyport.service'
done
