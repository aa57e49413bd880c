# Rules are checked as a compiler would: file, line, caret and mend, with a config and without one, and nothing is used.
new_bastion
rules=$(dirname "$(find "$PWD" -name '*.cedar' -print -quit)")
check() {
  code=0
  "$SALLYPORT" policy check "$@" >told 2>err || code=$?
}
check --config "$CONFIG"
equal 'exit code of good rules' "$code" 0
contains 'what is said of them' "$(cat told)" ', no fault'
digest=$(sed -n 's/^policy //p' told)
cp -r "$rules" proposed
cat >proposed/90-new.cedar <<'POLICY'
// A slip of the pen in the group, one in the action, and a rule without an id.
@id("amdins-may")
permit (principal in Sallyport::Group::"amdins", action == Sallyport::Action::"shell", resource is Sallyport::Target);
@id("no-shells")
forbid (principal, action == Sallyport::Action::"shel", resource is Sallyport::Target);
permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
POLICY
check --config "$CONFIG" proposed
equal 'exit code of a folder with faults' "$code" 2
equal 'what goes to standard output' "$(cat told)" ''
equal 'how many' "$(tail -1 err)" '3 faults: the rules are not loaded'
contains 'the group' "$(cat err)" 'error: group "amdins" is not known
 --> proposed/90-new.cedar:3:33
  |
3 | permit (principal in Sallyport::Group::"amdins", action == Sallyport::Action::"shell", resource is Sallyport::Target);
  |                                 ^^^^^^^^^^^^^^^
  = mend: did you mean "admins"?'
contains 'the action' "$(cat err)" 'proposed/90-new.cedar:5:'
contains 'the id' "$(cat err)" 'proposed/90-new.cedar:6:1'
check --config "$CONFIG" proposed --json
equal 'as JSON' "$(jq -c '[.good, (.faults[] | [.line, .column > 0])]' told)" '[false,[3,true],[5,true],[6,true]]'

# The repository of the rules has no config: names are not looked up, everything else is.
(cd proposed && env -u SALLYPORT_CONFIG "$SALLYPORT" policy check . >../told 2>../err) && fail 'faults passed'
equal 'how many without a config' "$(tail -1 err)" '2 faults: the rules are not loaded'
rm proposed/90-new.cedar
(cd proposed && env -u SALLYPORT_CONFIG "$SALLYPORT" policy check . >../told 2>../err) || fail "$(cat err)"
contains 'what was left out' "$(cat told)" 'were not looked up: give --config'

# A set that is without a fault may still answer a case otherwise.
cat >cases.toml <<'CASES'
[[case]]
name = "a stranger is kept out"
who = "corp:nobody"
target = "db1"
login = "nosuchaccount"
command = "uptime"
expect = "deny"
CASES
chmod 644 cases.toml
printf '\n[policy]\ntests = ["%s/cases.toml"]\n' "$PWD" >>"$CONFIG"
check --config "$CONFIG" proposed
equal 'exit code where the case holds' "$code" 0
contains 'the case' "$(cat told)" '1 case, 1 answered as expected'
cat >proposed/91-open.cedar <<'POLICY'
@id("everybody")
permit (principal, action == Sallyport::Action::"exec", resource is Sallyport::Target);
POLICY
check --config "$CONFIG" proposed
equal 'exit code where it does not' "$code" 3
contains 'how it was answered' "$(cat told)" 'a stranger is kept out: expected deny, got allow by everybody'
check --config "$CONFIG" proposed/91-open.cedar
equal 'exit code of a part, to which no case is put' "$code" 0
check --config "$CONFIG"
equal 'the digest of the own rules' "$(sed -n 's/^policy //p' told)" "$digest"

# What cannot be read says so.
check --config "$CONFIG" nowhere
equal 'exit code of a path that is not there' "$code" 2
contains 'what is missing' "$(cat err)" 'nowhere: cannot be read'
