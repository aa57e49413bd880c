//! Rules for secrets that only their surroundings give away: keys in files, headers, URLs, settings, arguments.
//!
//! The name stays readable, the value is hidden. Placeholders stay, and so does what cannot be told from prose.

use super::check::Check;
use super::rule::Class::{
    Assign, Base64, Blank, Dotted, Header, InDouble, InSingle, Quote, Token, UrlPassword, UrlUser, Value,
};
use super::rule::Part::{Block, FromStart, Hide, Not, Onward, Run, Show, Text};
use super::rule::{Before, Rule, Start};

/// Behind a name: `=`, `: `, `": "` and the like, then what is given.
macro_rules! assigned {
    ($($part:expr),* $(,)?) => {
        &[Run(Quote, 0, 1), Run(Blank, 0, 4), Run(Assign, 1, 2), Run(Blank, 0, 4), $($part),*]
    };
}

/// A password behind its name: in quotes, or bare right behind a `=`.
const VALUES: &[super::rule::Form] = &[
    assigned![Text("\""), Hide, Run(InDouble, 4, 255), Show, Text("\"")],
    assigned![Text("'"), Hide, Run(InSingle, 4, 255), Show, Text("'")],
    &[Text("="), Hide, Run(Value, 4, 255), Onward(Value)],
];

macro_rules! any {
    () => {
        "Q7mZ2xL9vB4nT8kR1cW6yH3j"
    };
}

/// In the order they are asked.
pub(super) const RULES: &[Rule] = &[
    Rule::token(
        "private-key",
        PRIVATE_KEYS,
        &[&[Hide, Block]],
        &[(concat!("-----BEGIN ", "PRIVATE", " KEY-----\n"), concat!(any!(), any!(), "=="), "\n-----END X-----\nmore")],
        &["-----BEGIN PUBLIC KEY-----\nabcd\n-----END PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----\nabcd\n"],
    )
    .starting(Start::Exact(PRIVATE_KEYS), Before::Anything),
    Rule::token(
        "jwt",
        &["eyJ"],
        &[&[FromStart, Run(Token, 12, 1024), Text(".eyJ"), Run(Dotted, 10, 10), Onward(Dotted)]],
        &[("t: ", concat!("ey", "JhbGciOiJIUzI1NiJ9", ".ey", "JzdWIiOiIxMjM0In0", ".", any!()), "\n")],
        &["eyJ", "eyJhbGciOiJIUzI1NiJ9", concat!("ey", "Jub3QiOiJhIHRva2VuIn0", ".ey", "JzdWIiOiIxMjM0In0")],
    )
    .checked(Check::JwtHeader),
    Rule::token(
        "authorization-bearer",
        &["bearer "],
        &[&[Hide, Run(Header, 16, 1024), Onward(Header)]],
        &[("Authorization: Bearer ", any!(), "\r\n"), ("-H 'authorization: bearer ", any!(), "'")],
        &["Bearer tokens are", "bearer authentication-is-required", "Bearer $TOKEN_OF_THE_DAY"],
    )
    .checked(Check::Mixed)
    .starting(Start::AnyCase(&["bearer "]), Before::NoWord),
    Rule::token(
        "authorization-basic",
        &["authorization: basic "],
        &[&[Hide, Run(Base64, 8, 1024), Onward(Base64)]],
        &[("Authorization: Basic ", "dXNlcjpodW50ZXIy", "\r\n")],
        &["basic authorization", "Authorization: Basic <", "Authorization: Digest abcdefgh"],
    )
    .starting(Start::AnyCase(&["authorization: basic "]), Before::NoWord),
    Rule::token(
        "header-api-key",
        &["x-api-key: "],
        &[&[Hide, Run(Header, 8, 1024), Onward(Header)]],
        &[("X-Api-Key: ", any!(), "\r\n"), ("PRIVATE-TOKEN: ", any!(), "\n"), ("x-vault-token: ", any!(), "\n")],
        &["x-api-key: ", "X-Api-Key: ${KEY}"],
    )
    .starting(
        Start::AnyCase(&[
            "x-api-key: ",
            "x-auth-token: ",
            "private-token: ",
            "x-vault-token: ",
            "job-token: ",
            "api-key: ",
        ]),
        Before::NoWord,
    ),
    Rule::token(
        "url-password",
        &["://"],
        &[&[Run(UrlUser, 0, 128), Text(":"), Hide, Run(UrlPassword, 1, 512), Show, Text("@")]],
        &[
            ("postgres://app:", "s3cr+t", "@db:5432/x"),
            ("redis://:", "hunter2", "@cache"),
            ("https://ci:", any!(), "@git.example.org/a.git"),
        ],
        &["http://host:8080/a@b", "https://user@host/", "http://[::1]:80/", "https://u:${PW}@h", "postgres://u:****@h"],
    )
    .checked(Check::NotPlaceholder)
    .starting(Start::Exact(&["://"]), Before::Anything),
    Rule::token(
        "azure-storage-key",
        &["AccountKey="],
        &[&[Hide, Run(Base64, 40, 128), Onward(Base64)]],
        &[("AccountName=a;AccountKey=", concat!(any!(), any!(), any!(), "+/=="), ";Endpoint")],
        &["AccountKey=", "AccountKey=<key>"],
    ),
    Rule::token(
        "azure-shared-access-key",
        &["SharedAccessKey="],
        &[&[Hide, Run(Base64, 40, 128), Onward(Base64)]],
        &[("SharedAccessKey=", concat!(any!(), any!(), "+="), "\n")],
        &["SharedAccessKey=", "SharedAccessKeyName=Root"],
    ),
    Rule::token(
        "azure-sas-signature",
        &["&sig=", "?sig="],
        &[&[Hide, Run(Header, 40, 128), Onward(Header)]],
        &[("https://a.example/b?sv=2024&sig=", concat!(any!(), any!(), "%3D"), "&se=1")],
        &["?sig=short"],
    )
    .starting(Start::Exact(&["&sig=", "?sig="]), Before::Anything),
    Rule::token(
        "aws-secret-key",
        &["aws_secret_access_key"],
        &[assigned![Run(Quote, 0, 1), Hide, Run(Base64, 40, 40), Not(Base64)]],
        &[
            ("aws_secret_access_key = ", concat!(any!(), "/vB4nT8+1cW6yH3j"), "\n"),
            ("\"SecretAccessKey\": \"", concat!(any!(), "/vB4nT8+1cW6yH3j"), "\""),
        ],
        &["aws_secret_access_key = ", "aws_secret_access_key: see below"],
    )
    .checked(Check::Mixed)
    .starting(Start::AnyCase(&["secret_access_key", "secretaccesskey", "aws_secret_key"]), Before::Anything),
    Rule::token(
        "aws-session-token",
        &["aws_session_token"],
        &[assigned![Run(Quote, 0, 1), Hide, Run(Base64, 60, 2048), Onward(Base64)]],
        &[("AWS_SESSION_TOKEN=", concat!(any!(), any!(), any!(), "/+=="), "\n")],
        &["aws_session_token=", "AWS_SESSION_TOKEN=$T"],
    )
    .starting(Start::AnyCase(&["session_token", "sessiontoken"]), Before::Anything),
    Rule::token(
        "npmrc-auth",
        &[":_authToken=", ":_auth=", ":_password="],
        &[&[Run(Quote, 0, 1), Hide, Run(Value, 8, 255), Onward(Value)]],
        &[("//registry.example.org/:_authToken=", any!(), "\n")],
        &["//registry.example.org/:_authToken=${NPM_TOKEN}", ":_authToken="],
    )
    .checked(Check::NotPlaceholder)
    .starting(Start::Exact(&[":_authToken=", ":_auth=", ":_password="]), Before::Anything),
    Rule::token(
        "docker-config-auth",
        &["\"auth\""],
        &[assigned![Text("\""), Hide, Run(Base64, 12, 1024), Onward(Base64)]],
        &[("\"auth\": \"", "dXNlcjpodW50ZXIy", "\"")],
        &["\"auth\": {}", "\"auth\": \"basic\""],
    )
    .starting(Start::Exact(&["\"auth\""]), Before::Anything),
    Rule::token(
        "private-key-base64",
        ENCODED_KEYS,
        &[&[FromStart, Run(Base64, 40, 255), Onward(Base64)]],
        &[("key: ", concat!("LS0tLS1CRUdJTiBS", "U0EgUFJJVkFU", any!(), any!()), "\n")],
        &["LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tQ7mZ2xL9vB4nT8kR1cW6yH3jQ7mZ2xL9vB4nT8kR1cW6yH3j"],
    ),
    Rule::token(
        "kubeconfig-key",
        &["client-key-data:"],
        &[&[Run(Blank, 0, 4), Hide, Run(Base64, 40, 255), Onward(Base64)]],
        &[("    client-key-data: ", concat!(any!(), any!(), "="), "\n")],
        &["client-key-data: ", "client-key: /etc/key.pem"],
    ),
    Rule::token(
        "connection-string-password",
        &[";pwd="],
        &[&[Hide, Run(Value, 1, 255), Onward(Value)]],
        &[("Server=x;Pwd=", "s3cr3t!x", ";Database=y")],
        &["PWD=/home/user", ";pwd="],
    )
    .starting(Start::AnyCase(&[";pwd=", "; pwd="]), Before::Anything),
    Rule::token(
        "netrc-password",
        &[" password "],
        &[&[Hide, Run(Value, 6, 255), Onward(Value)]],
        &[("machine h login l password ", "hunter2", "\n")],
        &["the password must", "a password 12345", "login l password "],
    )
    .checked(Check::Mixed)
    .starting(Start::Exact(&[" password "]), Before::Anything),
    Rule::token(
        "sql-password-literal",
        &["identified by "],
        &[&[Text("'"), Hide, Run(InSingle, 1, 255), Show, Text("'")]],
        &[("CREATE USER a IDENTIFIED BY '", "hunter2", "';"), ("ALTER ROLE a WITH PASSWORD '", "x y", "';")],
        &["identified by '", "identified by name", "with password NULL"],
    )
    .starting(Start::AnyCase(&["identified by ", "with password ", "encrypted password "]), Before::NoWord),
    Rule::token(
        "cli-user-password",
        &[" -u "],
        &[&[Run(UrlUser, 1, 64), Text(":"), Hide, Run(Value, 4, 255), Onward(Value)]],
        &[("curl -u ci:", "hunter2", " https://x")],
        &["docker run -u 1000:1000 x", "sort -u file", "curl -u ci:$PW x"],
    )
    .checked(Check::Mixed)
    .starting(Start::Exact(&[" -u ", " --user "]), Before::Anything),
    Rule::token(
        "cli-password-flag",
        &["--password"],
        &[
            &[Run(Blank, 1, 4), Text("\""), Hide, Run(InDouble, 4, 255), Show, Text("\"")],
            &[Run(Blank, 1, 4), Text("'"), Hide, Run(InSingle, 4, 255), Show, Text("'")],
            &[Run(Blank, 1, 4), Not(Quote), Hide, Run(Value, 6, 255), Onward(Value)],
        ],
        &[("mysql --password ", "hunter2!x", " -h db"), ("x --token '", "abc 1def", "'")],
        &["--password --user", "--password <TEXT>", "--password requires", "--password-file /a1b2c3"],
    )
    .checked(Check::Mixed)
    .starting(Start::Exact(&["--password", "--passwd", "--token", "--secret", "--api-key"]), Before::NoWord),
    Rule::token(
        "password-assign",
        &["password"],
        VALUES,
        &[
            ("DB_PASSWORD=", "hunter2", "\n"),
            ("\"password\": \"", "correct horse", "\","),
            ("password = '", "tr0ub4dor", "'"),
            ("?passwd=", "abcd", "&x=1"),
            ("PGPASSWORD=", "letmein", " psql"),
        ],
        &[
            "password:",
            "Password: ",
            "password=$PW",
            "password = \"\"",
            "password=<secret>",
            "password=********",
            "password=None",
            "a password is needed",
            "PWD=/home/user",
            "f(password=None)",
        ],
    )
    .checked(Check::NotPlaceholder)
    .starting(Start::AnyCase(&["password", "passwd", "passphrase"]), Before::Anything),
    Rule::token(
        "password-setting",
        &["password"],
        &[
            &[Text(": "), Run(Blank, 0, 4), Hide, Run(Value, 6, 255), Onward(Value)],
            &[Run(Blank, 1, 4), Text("="), Run(Blank, 1, 4), Hide, Run(Value, 6, 255), Onward(Value)],
        ],
        &[("  password: ", "hunter2hunter", "\n"), ("password = ", "tr0ub4dor", "\n")],
        &["password: required", "Password: ", "password: see the manual", "password = read_password()"],
    )
    .checked(Check::Mixed)
    .starting(Start::AnyCase(&["password", "passwd", "passphrase"]), Before::Anything),
    Rule::token(
        "secret-assign",
        &["secret"],
        &[assigned![Run(Quote, 0, 1), Hide, Run(Header, 16, 255), Onward(Header)]],
        &[
            ("CLIENT_SECRET=", any!(), "\n"),
            ("\"api_key\": \"", any!(), "\""),
            ("auth_token: ", any!(), "\n"),
            ("DD_API_KEY=", "3f9a7c1eb05d82649e1c7ab340f6d852", "\n"),
        ],
        &[
            "secret: something",
            "token=abc",
            "secret=aaaaaaaaaaaaaaaaaaaaaaaa",
            "api_key = os.environ",
            "tokens: 1234567890123456789",
        ],
    )
    .checked(Check::Entropy(30))
    .starting(
        Start::AnyCase(&[
            "secret_key",
            "secretkey",
            "client_secret",
            "clientsecret",
            "secret",
            "api_key",
            "apikey",
            "api-key",
            "access_token",
            "accesstoken",
            "auth_token",
            "token",
            "access_key",
            "private_key",
            "signing_key",
            "encryption_key",
            "account_key",
            "webhook_key",
            "license_key",
        ]),
        Before::Anything,
    ),
];

const PRIVATE_KEYS: &[&str] = &[
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "-----BEGIN DSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
];

/// The beginnings of such keys in base64: of `-----BEGIN ` and the first letters of the kind.
const ENCODED_KEYS: &[&str] = &[
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFU",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtF",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtF",
    "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZB",
    "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJ",
    "LS0tLS1CRUdJTiBEU0EgUFJJVkFU",
];
