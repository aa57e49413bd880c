# Stolen tokens, and valid ones of somebody else's repository at the same issuer.
new_bastion
pipeline_token build
cp token stolen
new_key
cp stolen token
! exchange ci >reply || fail 'a token bound to another key gave a certificate'
person_token alice
cp token stolen
new_key
cp stolen token
! exchange local random >reply || fail "a person's token bound to another key gave a certificate"
pipeline_token stranger
! exchange ci >reply || fail 'a job of another tenant got a certificate'
new_key
id_token "$PEOPLE" alice another x >token
! exchange local >reply || fail 'a token for another client gave a certificate'
