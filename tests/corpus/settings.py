"""Settings and arguments as programs print and take them, from their documents. Like `kinds`, which has the tools."""

from kinds import ALNUM, DIGITS, HEX, LOWER, b64, draw, kind, password, s


def one_of(group, name, forms, value):
    """A kind in several forms, `@` for the value, and a NUL for an at sign."""

    def make(r):
        return r.choice(forms).replace("@", s(value(r))).replace("\0", "@")

    make.__name__ = name
    kind(group)(make)


plain = lambda r: draw(r, ALNUM, 12)
random = lambda r: draw(r, ALNUM, 32)

for group, name, forms, value in [
    ("assignment", "xml_password", ["<password>@</password>", "  <Password>@</Password>", "<secretKey>@</secretKey>"], password),
    ("assignment", "arrow_password", ["'password' => '@',", ':password => "@"', '"password" => "@",'], password),
    ("assignment", "call_password", ['setPassword("@")', "conn.set_password('@')"], password),
    ("assignment", "kubernetes_env", ['- name: DB_PASSWORD\n  value: "@"', "- name: API_TOKEN\n  value: @", '{"name": "DB_PASSWORD", "value": "@"}'], random),
    ("assignment", "compose_env", ["environment:\n  - POSTGRES_PASSWORD=@", "environment:\n  POSTGRES_PASSWORD: @"], password),
    ("assignment", "dockerfile_env", ["ENV API_TOKEN=@", "ENV API_TOKEN @"], random),
    ("assignment", "quoted_assignment", ["DB_PASS='@'", 'db_pass = "@"', "password: '@'"], password),
    ("assignment", "form_secret", ["grant_type=x&client_secret=@&scope=y", "refresh_token=@&client_id=x", "user=a&password=@"], random),
    ("assignment", "query_secret", ["GET /v1?api_key=@&page=2 HTTP/1.1", "GET /v1?token=@ HTTP/1.1", "GET /maps?key=@&q=x HTTP/1.1"], random),
    ("assignment", "ansible_vars", ["ansible_password=@", "ansible_become_password: @", "ansible_ssh_pass=@"], password),
    ("assignment", "mail_settings", ["smtp_password = @", "mail.smtp.password=@", "relay_password: @"], password),
    ("assignment", "service_secrets", ["signing_secret: @", 'webhook_secret = "@"', "consumer_secret: @", "bot_token: @", "deploy_token=@", 'registration_token = "@"', "hmac_key: @"], random),
    ("assignment", "wireguard", ["PrivateKey = @", "PresharedKey = @"], lambda r: b64(r.randbytes(32))),
    ("assignment", "wifi", ['psk="@"', "wpa_passphrase=@"], plain),
    ("assignment", "tsig", ['key "rndc" { algorithm hmac-sha256; secret "@"; };'], lambda r: b64(r.randbytes(32))),
    ("assignment", "aws_json", ['"SecretAccessKey": "@"', "<SecretAccessKey>@</SecretAccessKey>"], lambda r: draw(r, ALNUM + "+/", 40)),
    ("assignment", "label_secret", ["Secret key: @", "API key: @", "Token: @", "Recovery key: @"], random),
    ("assignment", "unseal_key", ["Unseal Key 1: @", "Unseal Key 3: @"], lambda r: b64(r.randbytes(33))),
    ("assignment", "initial_password", ["Initial admin password: @", "generated password for root\x00localhost: @"], lambda r: draw(r, HEX, 32)),
    ("assignment", "credential", ["credential: @", 'credentials: "@"'], random),
    ("assignment", "key_names", ["STRIPE_KEY=@", "accessKey: @", '"privateKey": "@"', "encryption.key=@", "app-secret-key: @", "masterKey = '@'", "OPENAI_KEY=@", "consumer_key: @"], random),
    ("assignment", "dotted_names", ["stripe.api.key=@", "app.secret.key=@", "spring.auth.token=@", "storage.access.key=@"], random),
    ("assignment", "arrow_secret", ["'api_key' => '@',", ':secret_key => "@"', "token := \"@\""], random),
    ("assignment", "key_element", ["<apiKey>@</apiKey>", "  <access-key>@</access-key>", "<token>@</token>"], random),
    ("assignment", "short_token", ["DROPBOX_TOKEN=@", '"api_key": "@"', "secret='@'"], lambda r: draw(r, LOWER + DIGITS, 15)),
    ("assignment", "column_secret", ["password         @", "| db_password | @ |", "secret_key\t@", "token    @"], random),
    ("assignment", "padded_list", ["SECRET_KEY:              @", "DATABASE_PASSWORD:       @"], random),
    ("assignment", "database_pwd", ["DB_PWD=@", "db_pwd: '@'"], plain),
    ("assignment", "subscript", ["$config['password'] = '@';", 'os.environ["DB_PASSWORD"] = "@"', 'env["API_KEY"] = "@"'], random),
    ("assignment", "pair_of_arguments", ['p.setProperty("password", "@");', 'req.Header.Set("X-Api-Key", "@")', "client.set('token', '@')"], random),
    ("assignment", "xml_attribute", ['<entry key="password">@</entry>', '<add key="ApiKey" value="@" />', '<property name="db.password" value="@"/>'], random),
    ("assignment", "service_key", ["ATLASSIAN_KEY=@", "sendgrid_key: @", "CR_PAT=@", '"googleMapsKey": "@"'], random),
    ("assignment", "password_for", ["Password for admin: @", "Password for the user is: @", '{"name":"registry-password","value":"@"}'], plain),
    ("command", "curl_user_forms", ['curl -u ":@" https://x.example.org', "curl --user  'me\0example.org:@' https://x.example.org", "curl --user ci:'@' https://x.example.org"], plain),
    ("header", "authorization_bare", ["curl -H 'Authorization: @' https://x.example.org", "Authorization: Api-Token @", 'curl --header "Api-Token: @"'], random),
    ("command", "key_flag", ["tool --secret-key @ run", "tool --access-token @ run", "tailscale up --authkey @"], random),
    ("command", "mysql_long", ["mysql -u root --password=@ shop", "mysqldump --password=@ shop"], password),
    ("command", "wget_password", ["wget --password=@ https://x.example.org/a", "wget --http-password=@ https://x.example.org/a"], password),
    ("command", "quoted_curl_user", ['curl -u "admin:@" https://x.example.org', "curl --user 'admin:@' https://x.example.org"], password),
    ("command", "smbclient", ["smbclient -U user%@ //host/share"], plain),
    ("command", "az_login", ["az login -u me -p @", "docker login -u me -p @ registry.example.org"], plain),
    ("command", "helm_set", ["helm install x y --set password=@", "helm upgrade x y --set auth.password=@"], plain),
    ("command", "kubectl_literal", ["kubectl create secret generic x --from-literal=password=@", "kubectl create secret generic x --from-literal=token=@"], random),
    ("command", "vault_put", ["vault kv put secret/x password=@"], password),
    ("command", "openssl_pass", ["openssl enc -aes-256-cbc -pass pass:@", "openssl rsa -passin pass:@ -in k.pem"], plain),
    ("command", "gpg_passphrase", ["gpg --batch --passphrase @ -d x.gpg"], plain),
    ("command", "docker_env", ["docker run -e MYSQL_ROOT_PASSWORD=@ mysql"], password),
    ("command", "piped_password", ['echo "@" | docker login -u me --password-stdin', "echo '@' | sudo -S id"], plain),
    ("connection", "jdbc_oracle", ["sqlplus scott/@\x00db-1"], plain),
    ("connection", "mysql_jdbc", ["jdbc:mysql://db-1/app?user=app&password=@"], plain),
    ("connection", "ldap_bind", ["bindpw @"], plain),
    ("connection", "snmp_community", ["snmp-server community @ RO"], plain),
    ("connection", "device_secret", ["enable secret 5 @", "username admin secret 5 @"], lambda r: "$1$" + draw(r, ALNUM, 4) + "$" + draw(r, ALNUM + "./", 22)),
]:
    one_of(group, name, forms, value)


@kind("personal")
def birth_date(r):
    date = f"{r.randint(1940, 2008)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
    return r.choice(["date of birth: {}", "DOB: {}", '{{"dob":"{}"}}']).format(s(date))


@kind("personal")
def national_insurance(r):
    return f"NINO: {s('AB' + draw(r, DIGITS, 6) + r.choice('ABCD'))}"


@kind("personal")
def iban_written_otherwise(r):
    digits = draw(r, DIGITS, 18)
    check = 98 - int(digits + "131400") % 97
    groups = [f"DE{check:02}"] + [digits[at : at + 4] for at in range(0, 18, 4)]
    return r.choice(["iban: {}", "pay to {} today"]).format(s(r.choice([" ", "-"]).join(groups) if r.random() < 0.5 else "".join(groups).lower()))
