"""Text that holds no secret: what terminals and logs are full of, and what looks like a secret and is none."""

import base64
import hashlib
import uuid

from kinds import ALNUM, DIGITS, HEX, LOWER, UPPER, draw

KINDS = {}


def kind(make):
    KINDS[make.__name__.replace("_", "-")] = make
    return make


def word(r):
    return r.choice(
        "alpha cache deploy server worker index backup queue login session user update build config network storage render "
        "parser stream bucket region cluster volume report token key secret password account payment order".split()
    )


def address(r):
    return ".".join(str(r.randint(1, 254)) for _ in range(4))


def stamp(r):
    return f"2026-{r.randint(1, 12):02}-{r.randint(1, 28):02}T{r.randint(0, 23):02}:{r.randint(0, 59):02}:{r.randint(0, 59):02}.{r.randint(0, 999999):06}Z"


def lines(r, one, least=3, most=8):
    return "".join(one() + "\n" for _ in range(r.randint(least, most)))


@kind
def web_log(r):
    return lines(r, lambda: f'{address(r)} - - [28/Nov/2026:10:{r.randint(0, 59):02}:11 +0000] "GET /{word(r)}/{r.randint(1, 99999)} HTTP/1.1" 200 {r.randint(100, 99999)} "-" "Mozilla/5.0 (X11; Linux x86_64)"')


@kind
def system_log(r):
    return lines(r, lambda: f"Nov 28 10:{r.randint(0, 59):02}:{r.randint(0, 59):02} host{r.randint(1, 40)} sshd[{r.randint(100, 99999)}]: {r.choice(['Failed password for invalid user admin', 'Accepted publickey for deploy', 'Disconnected'])} from {address(r)} port {r.randint(1024, 65535)} ssh2")


@kind
def service_log(r):
    return lines(r, lambda: f'{stamp(r)} {r.choice(["INFO", "WARN"])} request_id={uuid.UUID(int=r.getrandbits(128))} path=/v1/{word(r)} status=200 took={r.randint(1, 999)}ms')


@kind
def java_trace(r):
    return f"{stamp(r)} ERROR [main] c.e.{word(r)}.{word(r).title()}Service - Invalid token: expected string\njava.lang.IllegalStateException: password must not be null\n" + lines(r, lambda: f"\tat com.example.{word(r)}.{word(r).title()}.{word(r)}({word(r).title()}.java:{r.randint(1, 900)})")


@kind
def kubernetes_log(r):
    return lines(r, lambda: f"I1128 10:{r.randint(0, 59):02}:{r.randint(0, 59):02}.{r.randint(0, 999999):06}       1 reflector.go:{r.randint(1, 999)}] Caches populated for *v1.Secret from k8s.io/client-go/informers/factory.go:{r.randint(1, 200)}")


@kind
def git_log(r):
    return lines(r, lambda: f"commit {draw(r, HEX, 40)}\nDate:   Sat Nov 28 09:44:31 2026 +0000\n\n    {word(r)}: {word(r)} the {word(r)} when the {word(r)} is gone\n", 2, 4)


@kind
def git_diff(r):
    return f"diff --git a/src/{word(r)}.rs b/src/{word(r)}.rs\nindex {draw(r, HEX, 10)}..{draw(r, HEX, 10)} 100644\n@@ -{r.randint(1, 99)},7 +{r.randint(1, 99)},9 @@ fn {word(r)}() {{\n-    let password = prompt(\"Password: \")?;\n+    let password = read_password(&mut terminal)?;\n     let token = session.token();\n"


@kind
def git_status(r):
    return f"On branch {word(r)}\nYour branch is up to date with 'origin/{word(r)}'.\n\nChanges not staged for commit:\n\tmodified:   src/{word(r)}.rs\n\tmodified:   docs/{word(r)}.md\n"


@kind
def git_short_log(r):
    return lines(r, lambda: f"{draw(r, HEX, 7)} {word(r)}: {word(r)} {word(r)} and {word(r)}")


@kind
def python_source(r):
    return f'def connect(host: str, password: str, token: str | None = None) -> Connection:\n    """Connects. `password` is asked for if empty."""\n    if not password:\n        password = getpass.getpass("Password: ")\n    secret_key = os.environ["SECRET_KEY"]\n    api_key = config.get("{word(r)}.api_key")\n    return Connection(host, password=password, token=token or settings.TOKEN)\n'


@kind
def rust_source(r):
    return f'    let password = args.password.as_deref().unwrap_or_default();\n    let token: Option<String> = headers.get("authorization").map(ToString::to_string);\n    assert_eq!(secret.len(), {r.randint(16, 64)});\n    client.post(url).bearer_auth(&token).json(&body).send().await?;\n    struct Credentials {{ username: String, password: SecretString, api_key: ApiKey }}\n'


@kind
def javascript_source(r):
    return f"const token = await getToken(req.headers['authorization']);\nif (password !== confirmPassword) throw new Error('passwords differ');\nexport const apiKey = process.env.API_KEY;\nconst {{ password, secret }} = req.body;\nconst userPassword = document.getElementById('{word(r)}').value;\n"


@kind
def shell_source(r):
    return f'read -rs -p "Password: " password\nexport PGPASSWORD="$password"\ncurl -H "Authorization: Bearer $TOKEN" "$URL/{word(r)}"\nmysql -u root -p"$MYSQL_PASSWORD" -h "$HOST"\nTOKEN=$(vault token create -field=token)\ndocker login --password-stdin < /run/secrets/{word(r)}\n'


@kind
def c_source(r):
    return f"static int check_password(const char *user, const char *password)\n{{\n\tstruct token *token = next_token(parser);\n\tif (token->kind == TOKEN_{word(r).upper()}) return -EINVAL;\n\tmemset(secret, 0, sizeof(secret));\n\treturn 0x{draw(r, HEX, 8)};\n}}\n"


@kind
def identifiers(r):
    return lines(r, lambda: f"{word(r)} {uuid.UUID(int=r.getrandbits(128))} {word(r)}-{draw(r, HEX, 10)}-{draw(r, LOWER + DIGITS, 5)}")


@kind
def digests(r):
    return lines(r, lambda: r.choice([f"{draw(r, HEX, 64)}  {word(r)}.tar.gz", f"sha256:{draw(r, HEX, 64)}", f"{draw(r, HEX, 32)}  {word(r)}.iso", f"SHA512 ({word(r)}) = {draw(r, HEX, 128)}"]))


@kind
def image_data(r):
    return f'<img src="data:image/png;base64,{base64.b64encode(b"%PNG" + r.randbytes(300)).decode()}" alt="{word(r)}">\n'


@kind
def base64_lines(r):
    body = base64.b64encode(r.randbytes(400)).decode()
    return "".join(body[at : at + 76] + "\n" for at in range(0, len(body), 76))


@kind
def base64_prose(r):
    return "message: " + base64.b64encode(f"the {word(r)} of the {word(r)} was moved to {address(r)} by hand, see the {word(r)}".encode()).decode() + "\n"


@kind
def placeholders(r):
    one = lambda: r.choice(
        ["password: <your password>", "PASSWORD=${DB_PASSWORD}", "api_key: YOUR_API_KEY_HERE", "token = {{ .Values.token }}", "password=********", "secret: %(secret)s",
         "DB_PASSWORD=$(cat /run/secrets/db)", "postgres://user:${PASSWORD}@db/app", "postgres://user:<password>@db/app", "Authorization: Bearer <token>", "Authorization: Bearer $TOKEN",
         "client_secret: \"\"", "password = None", "token: null", "password: !vault |", "AWS_SECRET_ACCESS_KEY=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "--password <PASSWORD>", "password: required"]
    )
    return lines(r, one)


@kind
def certificate(r):
    body = base64.b64encode(b"\x30\x82" + r.randbytes(500)).decode()
    return "-----BEGIN CERTIFICATE-----\n" + "\n".join(body[at : at + 64] for at in range(0, len(body), 64)) + "\n-----END CERTIFICATE-----\n"


@kind
def public_keys(r):
    return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{base64.b64encode(r.randbytes(32)).decode()[:43]} deploy@{word(r)}\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{base64.b64encode(r.randbytes(380)).decode()} a\n256 SHA256:{base64.b64encode(r.randbytes(32)).decode()[:43]} host (ED25519)\n"


@kind
def prose(r):
    return r.choice(
        ["Never share your password with anybody; a password manager keeps each of them.\n", "If the token has expired, sign in again and the secret will be rotated.\n", "Enter passphrase for key '/home/u/.ssh/id_ed25519': \n",
         "The password must have at least 12 characters, of which one is a digit.\n", "warning: password authentication is disabled\n", "The bearer of this letter is known to me. Basic rules apply.\n",
         "Your password will expire in 14 days. To change it use passwd(1).\n", "[sudo] password for deploy: \nSorry, try again.\n", "Password: \r\nLast login: Sat Nov 28 09:12:44 2026 from 10.0.0.7\r\n"]
    ) + f"See section {r.randint(1, 9)}.{r.randint(1, 20)} on the {word(r)}.\n"


@kind
def numbers(r):
    return lines(r, lambda: r.choice([f"order {draw(r, DIGITS, 10)}", f"{r.randint(10**12, 10**13)} ns", f"version {r.randint(1, 9)}.{r.randint(0, 99)}.{r.randint(0, 9999)}", f"id={r.randint(10**9, 10**12)}", f"{r.randint(100, 999)}-{r.randint(1000, 9999)} of {r.randint(1, 9)}", f"epoch {r.randint(1500000000, 1900000000)}.{r.randint(0, 999)}"]))


@kind
def timestamps(r):
    return lines(r, lambda: r.choice([stamp(r), f"{r.randint(1500000000000, 1900000000000)}", "20261128-094431", "Sat Nov 28 09:44:31 UTC 2026", f"[{r.randint(0, 99999):5}.{r.randint(0, 999999):06}] usb 1-1: new device"]))


@kind
def listing(r):
    return "total 48\n" + lines(r, lambda: f"-rw-r--r-- 1 root root {r.randint(10, 9999999):>9} Nov 28 09:44 {word(r)}.{r.choice(['key.pub', 'conf', 'log', 'tar.gz'])}")


@kind
def processes(r):
    return "  PID TTY          TIME CMD\n" + lines(r, lambda: f"{r.randint(1, 99999):>5} pts/{r.randint(0, 9)}    00:00:{r.randint(0, 59):02} {word(r)} --user {word(r)} -u {r.randint(100, 999)}:{r.randint(100, 999)} -p {r.randint(1024, 9999)}:80")


@kind
def network(r):
    return f"2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n    link/ether {':'.join(draw(r, HEX, 2) for _ in range(6))} brd ff:ff:ff:ff:ff:ff\n    inet {address(r)}/24 scope global eth0\n    inet6 fe80::{draw(r, HEX, 4)}:{draw(r, HEX, 4)}:fe{draw(r, HEX, 2)}:{draw(r, HEX, 4)}/64\n"


@kind
def build(r):
    return lines(r, lambda: f"   Compiling {word(r)}-{word(r)} v{r.randint(0, 9)}.{r.randint(0, 40)}.{r.randint(0, 9)}") + f"    Finished `dev` profile in {r.randint(1, 99)}.{r.randint(10, 99)}s\n"


@kind
def lock_files(r):
    return f'[[package]]\nname = "{word(r)}"\nversion = "1.{r.randint(0, 99)}.0"\nchecksum = "{draw(r, HEX, 64)}"\n\n    "integrity": "sha512-{base64.b64encode(r.randbytes(64)).decode()}",\n'


@kind
def containers(r):
    return "CONTAINER ID   IMAGE          STATUS        PORTS\n" + lines(r, lambda: f"{draw(r, HEX, 12)}   {word(r)}:{r.randint(1, 9)}.{r.randint(0, 9)}     Up {r.randint(2, 59)} hours   0.0.0.0:{r.randint(1024, 65535)}->8080/tcp")


@kind
def kubernetes(r):
    return "NAME                       READY   STATUS    RESTARTS   AGE\n" + lines(r, lambda: f"{word(r)}-{draw(r, HEX, 9)}-{draw(r, LOWER + DIGITS, 5)}   1/1     Running   0          {r.randint(1, 99)}d") + "NAME   TYPE     DATA   AGE\ndb     Opaque   3      12d\n"


@kind
def names_in_columns(r):
    return r.choice(
        [
            lines(r, lambda: f"  {r.choice(['reset-password', 'new-token', 'drop-secret', 'api-key'])}   {draw(r, HEX, 7)} {word(r)} the {word(r)}"),
            "NAME              TYPE                                  DATA   AGE\n" + lines(r, lambda: f"{word(r)}-{r.choice(['token', 'secret', 'api-key'])}      {r.choice(['kubernetes.io/service-account-token', 'Opaque', 'kubernetes.io/tls'])}   {r.randint(1, 3)}      {r.randint(1, 99)}d"),
            "| Field | Type | Null |\n" + lines(r, lambda: f"| {r.choice(['password', 'api_token', 'secret'])} | varchar({r.randint(10, 255)}) | NO |"),
            lines(r, lambda: f"vault-{r.choice(['token', 'secret'])}   latest    {draw(r, HEX, 12)}   {r.randint(2, 9)} weeks ago   {r.randint(20, 90)}MB"),
            "Key                 Value\n---                 -----\ntoken_duration      768h\ntoken_renewable     true\ntoken_policies      [\"default\"]\n",
            lines(r, lambda: f"PrivateKey::read_{word(r)}_{r.randint(1, 9)}_pem(path) and Secret::from_{word(r)}({r.randint(1, 99)})"),
        ]
    )


@kind
def filled_placeholders(r):
    prefix, count = r.choice([("gh" + "p_", 36), ("AK" + "IA", 16), ("gl" + "pat-", 20), ("hv" + "s.", 40), ("AI" + "za", 35), ("h" + "f_", 34)])
    return lines(r, lambda: f"export {word(r).upper()}_TOKEN={prefix}{r.choice('xX*') * count}  # {word(r)}")


@kind
def help_text(r):
    return f"      --password <TEXT>      Password of the account; asked for if absent\n      --token <TOKEN>        Access token [env: TOKEN=]\n  -p, --port <PORT>          Port [default: {r.randint(1024, 9999)}]\n      --secret-file <PATH>   Where the secret is read from\n"


@kind
def urls(r):
    return lines(r, lambda: r.choice([f"https://example.org:8443/{word(r)}?page={r.randint(1, 9)}&sort=name", f"https://user@example.org/{word(r)}.git", f"postgres://db-1.internal:5432/{word(r)}", f"https://example.org/{draw(r, HEX, 40)}/{word(r)}@2x.png", f"git@example.org:{word(r)}/{word(r)}.git"]))


@kind
def json_text(r):
    return f'{{"user":"{word(r)}","password":null,"token":{{"kind":"bearer","expires":{r.randint(10**9, 2 * 10**9)}}},"secret":false,"id":"{uuid.UUID(int=r.getrandbits(128))}"}}\n'


@kind
def yaml_text(r):
    return f"spec:\n  containers:\n  - name: {word(r)}\n    env:\n    - name: DB_PASSWORD\n      valueFrom:\n        secretKeyRef:\n          name: {word(r)}\n          key: password\n    image: registry.example.org/{word(r)}@sha256:{draw(r, HEX, 64)}\n"


@kind
def near_numbers(r):
    """Numbers with the form of cards and accounts whose check digits are wrong."""
    card = draw(r, DIGITS, 16)
    total = lambda text: sum(d if at % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for at, d in enumerate(map(int, reversed(text))))
    while total(card) % 10 == 0 or total(card[1:]) % 10 == 0:
        card = draw(r, DIGITS, 16)
    return f"batch {card}\nref DE00{draw(r, DIGITS, 18)}\npart 000-12-3456\n"


@kind
def hex_dump(r):
    return lines(r, lambda: f"{r.randint(0, 65535) * 16:08x}  {' '.join(draw(r, HEX, 2) for _ in range(8))}  {' '.join(draw(r, HEX, 2) for _ in range(8))}  |................|")


@kind
def coloured(r):
    return lines(r, lambda: f"\x1b[32m✓\x1b[0m {word(r)} \x1b[2m({r.randint(1, 99)} ms)\x1b[0m\x1b[K") + f"\x1b[1;34m~/{word(r)}\x1b[0m \x1b[33m{word(r)}\x1b[0m $ "


@kind
def progress(r):
    return "".join(f"\rDownloading {word(r)} {n:3}% [{'=' * (n // 5)}{' ' * (20 - n // 5)}]" for n in range(0, 101, 20)) + "\r\n"


@kind
def typing(r):
    return "\x1b[?2004h$ " + "".join(f"{c}x\b \b" if r.random() < 0.3 else c for c in f"kubectl get {word(r)} -n {word(r)}") + "\r\n\x1b[?2004l\r"


@kind
def full_lines(r):
    """Lines that end at the right margin without being one."""
    return "".join((f"{word(r)} " * 20)[:79] + word(r)[0] + "\r\n" for _ in range(4))


@kind
def escaped(r):
    return f"GET /search?q={word(r)}%20{word(r)}%3D{r.randint(1, 99)}%26sort%3Dname HTTP/1.1\n" + '{"log":"line one\\nline \\"two\\" of ' + word(r) + '\\n"}\n'


@kind
def binary(r):
    return r.randbytes(r.randint(200, 1500))


@kind
def terraform(r):
    return f'  + resource "aws_db_instance" "{word(r)}" {{\n      + arn                = (known after apply)\n      + password           = (sensitive value)\n      + instance_class     = "db.t3.{word(r)}"\n    }}\nPlan: 1 to add, 0 to change, 0 to destroy.\n'


@kind
def man_page(r):
    return f"       -p password, --password[=password]\n              The password of the account. If it is not given, it is asked for.\n       -a     Authenticate with the {word(r)} token.\n"


@kind
def csv_text(r):
    return "id,name,amount,at\n" + lines(r, lambda: f"{r.randint(1, 99999)},{word(r)},{r.randint(1, 9999)}.{r.randint(10, 99)},{stamp(r)}")


@kind
def tables(r):
    """Titles that do not tell, and values that are none."""
    titles = r.choice([["id", "password_changed_at", "token_type"], ["token", "count"], ["NAME", "SECRET"], ["name", "passwords"]])
    rows = [[r.choice([word(r), str(r.randint(1, 99)), "NULL", "bearer"]) for _ in titles] for _ in range(r.randint(2, 6))]
    if r.random() < 0.4:
        return r.choice([",", "\t"]).join(titles) + "\n" + "".join(",".join(row) + "\n" for row in rows)
    rule = "-+-".join("-" * 20 for _ in titles) + "\n" if r.random() < 0.7 else ""
    between = " | " if rule else "   "
    return "".join(between.join(cell.ljust(20) for cell in row) + "\n" + (rule if row is titles else "") for row in [titles, *rows])


@kind
def empty_passwords(r):
    return "user,password,shell\n" + lines(r, lambda: f"{word(r)},{r.choice(['', 'x', '*', 'NULL', '********', 'none'])},/bin/sh")


@kind
def digests_encoded(r):
    return lines(r, lambda: base64.b64encode(hashlib.sha256(r.randbytes(8)).digest()).decode())
