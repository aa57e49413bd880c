"""Settings and arguments as programs print and take them, from their documents. Like `kinds`, which has the tools."""

from kinds import ALNUM, DIGITS, HEX, LOWER, UPPER, b64, draw, kind, password, s


def one_of(group, name, forms, value):
    """A kind in several forms, `@` for the value, and a NUL for an at sign."""

    def make(r):
        return r.choice(forms).replace("@", s(value(r))).replace("\0", "@")

    make.__name__ = name
    kind(group)(make)


plain = lambda r: draw(r, ALNUM, 12)
random = lambda r: draw(r, ALNUM, 32)
uuid = lambda r: "-".join(draw(r, HEX, size) for size in (8, 4, 4, 4, 12))


def generated(r):
    """As a generator makes them: letters of both cases, digits and a sign."""
    return draw(r, LOWER, 1) + draw(r, ALNUM, r.randint(9, 17)) + r.choice("!#%^*+_.") + draw(r, DIGITS, 1) + draw(r, UPPER, 1)


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
    ("assignment", "pass_setting", ["pass = @", "  pass: @", 'pwd: "@"', "remotepass = @", "ansible_become_pass: @", "RootUser: a RootPass: @"], generated),
    ("assignment", "struct_password", ["{Host:db Password:@ Port:5432}", "{Name:x DBPassword:@}"], generated),
    ("assignment", "password_word", ["password @", "user admin insecure-password @", "nmcli dev wifi connect home password @", 'poll h user "a" password "@"'], generated),
    ("assignment", "spaced_secret", ["secret = @", "  shared_secret = @"], generated),
    ("assignment", "constant_in_code", ['const API_TOKEN: &str = "@";', "const apiKey: string = '@';", 'var authToken string = "@"'], random),
    ("assignment", "login_in_code", ['client.login("ann", "@")', "smtp.login('ann', '@')"], generated),
    ("assignment", "framework_keys", ["define('AUTH_KEY',         '@');", "define('NONCE_KEY', '@');"], lambda r: draw(r, ALNUM + "!#%^*()-_=+|~{}", 64)),
    ("assignment", "django_key", ["SECRET_KEY = '@'", 'SECRET_KEY = "@"'], lambda r: draw(r, LOWER + DIGITS + "!^*(-_=+)", 50)),
    ("assignment", "aws_secret_string", ['"SecretString": "@",'], plain),
    ("assignment", "secret_id", ["SecretID:         @", "vault write auth/approle/login role_id=x secret_id=@", "Secret ID    = @"], uuid),
    ("assignment", "network_device", ["set password ENC @", "tacacs-server key @", "enable secret 0 @"], lambda r: draw(r, ALNUM, 24)),
    ("assignment", "ipsec", ['10.0.0.1 %any : PSK "@"'], plain),
    ("header", "basic_elsewhere", ['proxy_set_header Authorization "Basic @";', "http.extraheader=AUTHORIZATION: basic @"], lambda r: b64(b"ann:" + draw(r, ALNUM, 14).encode())),
    ("header", "session_cookies", ["Cookie: lang=en; sid=@; x=1", "Cookie: a=1; connect.sid=@"], random),
    ("command", "generated_flag", ["ipmitool -I lanplus -H h -U admin -P @ power status", "zip -P @ a.zip f", "cf login -a h -u a -p @"], generated),
    ("command", "keystore", ["keytool -list -keystore x.jks -storepass @", "keytool -genkeypair -keypass @ -alias x"], plain),
    ("command", "ssh_keygen", ['ssh-keygen -t ed25519 -N "@" -f k', "ssh-keygen -q -N '@' -f k"], plain),
    ("command", "htpasswd", ["htpasswd -b .htpasswd ann @", "htpasswd -nbB ann @"], plain),
    ("command", "rabbitmq", ["rabbitmqctl add_user app @", "rabbitmqctl change_password app @"], plain),
    ("command", "powershell_secure", ['ConvertTo-SecureString "@" -AsPlainText -Force', "ConvertTo-SecureString -String '@' -AsPlainText"], plain),
    ("command", "snmp_walk", ["snmpwalk -v2c -c @ h system"], plain),
    ("command", "expect_send", ['send "@\\r"', 'send -- "@\\r"'], lambda r: generated(r).replace(".", "x")),
    ("command", "net_user", ["net user ann @ /add", "net use h /user:ann @"], plain),
    ("command", "chpasswd", ["echo 'ann:@' | chpasswd"], plain),
    ("command", "piped_elsewhere", ["echo @ | passwd --stdin ann", 'echo -n "@" | cryptsetup luksOpen /dev/x y -', "echo @ | vercel env add DB_PASSWORD production"], plain),
    ("command", "putty_argument", ["plink -pw @ ann\0h ls", 'pscp -pw "@" f h:'], plain),
    ("command", "admin_pass", ["occ maintenance:install --admin-user a --admin-pass @", "tool --db-pass @ --db-user a"], plain),
    ("command", "gh_secret", ['gh secret set API_KEY --body "@"', "gh secret set API_KEY -b '@'"], random),
    ("command", "redis_acl", ["user app on >@ ~* +@all".replace("+@all", "+\0all"), "ACL SETUSER app on >@ ~*"], generated),
    ("assignment", "sql_quoted", ['create user app identified by "@";', "CREATE LOGIN app WITH PASSWORD = N'@';"], plain),
    ("assignment", "puppet_sensitive", ["  password => Sensitive('@'),", '  password => Sensitive("@"),'], plain),
    ("assignment", "azure_keys", ['"primaryKey": "@",', '"secondaryMasterKey": "@"'], lambda r: b64(r.randbytes(32))),
    ("command", "archive_password", ["7z a -p@ a.7z f", "rar a -hp@ a.rar f", "unrar x -p@ a.rar"], generated),
    ("command", "openssl_key", ["openssl enc -aes-256-cbc -salt -in a -out b -k @"], plain),
    ("command", "windows_option", ["wmic /node:h /user:admin /password:@ os get", "cmdkey /add:h /user:ann /pass:@"], generated),
    ("command", "net_use_drive", ["net use X: \\\\srv\\share @ /user:ann"], generated),
    ("command", "aaa_server", ["radius-server host 10.0.0.1 auth-port 1812 key @", "tacacs-server host 10.0.0.1 key 0 @"], generated),
    ("command", "minio_alias", ["mc alias set m https://minio.example.org minioadmin @"], random),
    ("command", "impacket", ["psexec.py corp/admin:@\0db-1"], lambda r: draw(r, ALNUM, 12)),
    ("command", "redis_prompt", ["127.0.0.1:6379> AUTH @"], generated),
    ("connection", "postfix_login", ["[smtp.example.org]:587 ann\0example.org:@"], plain),
    ("connection", "go_data_source", ['sql.Open("mysql", "app:@\0tcp(db-1:3306)/shop")', "DATABASE_DSN=app:@\0tcp(db-1:3306)/shop"], lambda r: draw(r, ALNUM, 14)),
    ("assignment", "call_with_user", ['requests.get(u, auth=("ann", "@"))', 'req.SetBasicAuth("ann", "@")', 'new NetworkCredential("ann", "@")'], generated),
    ("assignment", "call_with_source", ['new PDO("mysql:host=db-1", "app", "@");', "mysqli_connect('db-1', 'app', '@', 'shop');"], generated),
    ("assignment", "call_that_signs", ['jwt.sign(payload, "@", { expiresIn: "1h" })', "createHmac('sha256', '@')"], generated),
    ("assignment", "cookie_file", [".example.org\tTRUE\t/\tTRUE\t1799999999\tsid\t@"], random),
    ("assignment", "json_web_key", ['{"kty":"oct","k":"@"}', '{"kty":"EC","crv":"P-256","d":"@"}'], lambda r: draw(r, ALNUM + "-_", 43)),
    ("assignment", "nats_seed", ["SUA@"], lambda r: draw(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 55)),
    ("assignment", "named_constant", ['#define API_KEY "@"', "setenv API_TOKEN @", "set -x DB_PASSWORD @"], random),
    ("header", "quoted_header", ['proxy_set_header X-Api-Key "@";'], random),
    ("connection", "proxy_login", ["stats auth admin:@"], plain),
    ("command", "erlang_cookie", ["erl -sname a -setcookie @"], lambda r: draw(r, ALNUM, 20)),
    ("connection", "url_at_sign", ["amqp://guest:@\0a1\0mq-1:5672/v"], lambda r: draw(r, ALNUM, 12)),
    ("assignment", "name_goes_on", ["DB_PASSWORD_PROD=@", "API_KEY_2=@", '"api_token_old": "@",', "client_secret_v2: @"], generated),
    ("assignment", "string_in_a_call", ['let token = Secret::new("@");', 'api_key = SecretStr("@")', "password = u'@'", 'key := []byte("@")'.replace("key", "apiKey"), "API_TOKEN=$'@'"], generated),
    ("assignment", "typed_or_indexed", ['token: Optional[str] = "@"', 'char password[] = "@";', "passwords[0] = '@'".replace("passwords", "password"), '"api_key": ["@"],'], generated),
    ("assignment", "unless_set", ['process.env.API_TOKEN || "@"', 'PASSWORD="${PASSWORD:-@}"', 'os.environ["SECRET_KEY"] or "@"', 'env("API_KEY", default="@")'], generated),
    ("assignment", "yaml_next_line", ["password: |\n  @", "api_key: >-\n    @", "auth_token:\n  @"], generated),
    ("assignment", "xml_elsewhere", ["<key>api_key</key>\n\t<string>@</string>", "<name>db.password</name>\n    <value>@</value>", "<password><![CDATA[@]]></password>", '<meta name="api-token" content="@">'], random),
    ("assignment", "any_key", ["WEATHERSTACK_KEY=@", "zenrows-key: @", '"acmeKey": "@",', 'set("acme_key", "@")', "<acmeKey>@</acmeKey>", "the acme key is @"], lambda r: draw(r, r.choice([HEX, ALNUM, LOWER + DIGITS]), 32)),
    ("assignment", "any_key_uuid", ["ZENSCRAPE_KEY=@", "acme.key: '@'"], uuid),
    ("assignment", "aligned", ["password        => '@',", 'db_password          = "@"', "api_key              = @", "token            := `@`", "password        : @"], generated),
    ("assignment", "azure_key", ["key1    @", '"key1": "@"', "AZURE_PAT=@"], lambda r: draw(r, ALNUM, 52) + "JQQJ" + "99BFACYeBjFXJ3w3AAABACOG" + draw(r, ALNUM, 4)),
    ("assignment", "webhook_address", ["https://hc-ping.com/@", "https://hook.eu1.make.com/@", "https://events.pagerduty.com/integration/@/enqueue", "https://chat.example.org/hooks/@"], lambda r: draw(r, LOWER + DIGITS, 26)),
    ("assignment", "compared", ['if (config.secret != "@") {', "if token == '@':", 'assert_eq!(api_key, "@")'], generated),
    ("assignment", "bootstrap_token", ["--tls-bootstrap-token @", "discovery-token: @"], lambda r: draw(r, LOWER + DIGITS, 6) + "." + draw(r, LOWER + DIGITS, 16)),
    ("command", "psexec", ["psexec \\\\db-1 -u admin -p @ cmd", 'PsExec64.exe \\\\db-1 -u corp\\a -p "@" -s cmd'], plain),
    ("assignment", "token_with_signs", ['token = "@"', "API_TOKEN=@", "client_secret: '@'", 'api_key := `@`', '"authToken": "@",'], lambda r: draw(r, ALNUM, 17) + r.choice("!#%^*?@$") + draw(r, DIGITS, 1) + draw(r, UPPER, 2)),
    ("assignment", "short_names", ['export PASS="@"', "'pass' => '@',", "<pwd>@</pwd>", 'pwd := "@"', 'set("pass", "@")'], generated),
    ("assignment", "setter", ['client.setSecretKey("@");', '.api_token("@")', "set_password('@')"], generated),
    ("assignment", "parameter_pair", ['{"ParameterKey": "DbPassword", "ParameterValue": "@"}', "ParameterKey=ApiToken,ParameterValue=@", '{"Name": "API_KEY", "Value": "@"}'], random),
    ("command", "stored_secret", ["az keyvault secret set --vault-name v --name n --value @", 'aws ssm put-parameter --name /app/n --type SecureString --value "@"'], plain),
    ("assignment", "key_behind_a_blank", ["tool --secret_key @ run", 'SetEnv API_TOKEN "@"', "git config x.token @"], generated),
    ("assignment", "said_in_a_sentence", ["your api key is @", 'the access token is: "@"', "auth token set to @"], generated),
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
