//! Rules for tokens that say themselves what they are: each service's own prefix.
//!
//! Examples are made of pieces, so that nothing here looks like a live secret. Where a service's checksum is not
//! documented there is no check: a token that only looks right is better hidden.

use super::check::Check;
use super::rule::Class::{Alnum, Digit, Dotted, Hex, Token, UpperDigit, Word};
use super::rule::Part::{FromStart, Hide, Not, Onward, Run, Text};
use super::rule::{Before, Class, Rule, Start};

macro_rules! a8 {
    () => {
        "Q7mZ2xL9"
    };
}
macro_rules! a32 {
    () => {
        concat!(a8!(), "vB4nT8kR", "1cW6yH3j", "F5dS0gPa")
    };
}
macro_rules! h32 {
    () => {
        concat!("3f9a7c1e", "b05d8264", "9e1c7ab3", "40f6d852")
    };
}

/// In the order they are asked.
pub(super) const RULES: &[Rule] = &[
    Rule::token(
        "aws-access-key",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        &[&[FromStart, Run(UpperDigit, 16, 16), Not(Alnum)]],
        &[("id=", concat!("AK", "IA", "Q7MZ2XL9", "VB4NT8KR"), "\n")],
        &["AKIAshort", concat!("AK", "IA", "Q7MZ2XL9", "VB4NT8KR", "X"), concat!("xAK", "IA", "Q7MZ2XL9", "VB4NT8KR")],
    ),
    Rule::token(
        "github-token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        &[&[FromStart, Run(Alnum, 36, 255), Onward(Alnum)]],
        &[("", concat!("gh", "p_", a32!(), "Wy3k"), ""), ("a ", concat!("gh", "s_", a32!(), a8!()), ".")],
        &["ghp_short", "the ghp_ prefix", "ghp_example_token_with_words_in_it_that_is_long"],
    ),
    Rule::token(
        "github-fine-grained",
        &["github_pat_"],
        &[&[FromStart, Run(Word, 50, 255), Onward(Word)]],
        &[("=", concat!("github", "_pat_", a32!(), "_", a32!()), "\r\n")],
        &["github_pat_", "github_pat_example"],
    ),
    Rule::token(
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-"],
        &[&[FromStart, Run(Dotted, 20, 255), Onward(Dotted)]],
        &[("PRIVATE-TOKEN ", concat!("gl", "pat-", a8!(), a8!(), "Wy3k"), "\n")],
        &["glpat-short", "regglpat-aaaaaaaaaaaaaaaaaaaaaaa"],
    ),
    Rule::token(
        "slack-token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"],
        &[&[FromStart, Run(Token, 20, 255), Onward(Token)]],
        &[("", concat!("xo", "xb-", "123456789012-", a8!(), a8!()), " ")],
        &["xoxb-short", "xoxo-aaaaaaaaaaaaaaaaaaaaaaaaa"],
    ),
    Rule::token(
        "slack-webhook",
        &["hooks.slack.com/services/"],
        &[&[Hide, Text("T"), Run(Alnum, 8, 14), Text("/B"), Run(Alnum, 8, 14), Text("/"), Run(Alnum, 20, 40)]],
        &[(
            "https://hooks.slack.com/services/",
            concat!("T", "Q7MZ2XL9", "/B", "VB4NT8KR", "/", a8!(), a8!(), a8!()),
            "\n",
        )],
        &["https://hooks.slack.com/services/", "hooks.slack.com/services/T0/B0/x"],
    ),
    Rule::token(
        "discord-webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        &[&[Hide, Run(Digit, 17, 20), Text("/"), Run(Token, 60, 80)]],
        &[("https://discord.com/api/webhooks/", concat!("123456789012345678/", a32!(), a32!()), " ")],
        &["discord.com/api/webhooks/123"],
    ),
    Rule::token(
        "stripe-key",
        &["sk_live_", "rk_live_", "sk_test_", "rk_test_"],
        &[&[FromStart, Run(Alnum, 16, 255), Onward(Alnum)]],
        &[("key ", concat!("sk", "_live_", a32!()), "\n")],
        &["sk_live_", concat!("pk", "_live_", a32!())],
    ),
    Rule::token(
        "stripe-webhook-secret",
        &["whsec_"],
        &[&[FromStart, Run(Alnum, 24, 64), Onward(Alnum)]],
        &[("", concat!("whs", "ec_", a32!()), "")],
        &["whsec_test"],
    ),
    Rule::token(
        "gcp-api-key",
        &["AIza"],
        &[&[FromStart, Run(Token, 35, 35), Not(Token)]],
        &[("?key=", concat!("AI", "za", a32!(), "Wy3"), "&x")],
        &["AIzaShort", "AIza is a prefix"],
    ),
    Rule::token(
        "gcp-oauth-token",
        &["ya29."],
        &[&[FromStart, Run(Token, 20, 255), Onward(Token)]],
        &[("", concat!("ya", "29.", a32!()), "\n")],
        &["ya29.a0"],
    ),
    Rule::token(
        "gcp-client-secret",
        &["GOCSPX-"],
        &[&[FromStart, Run(Token, 28, 28), Not(Token)]],
        &[("", concat!("GOC", "SPX-", a8!(), a8!(), a8!(), "Wy3k"), "\"")],
        &["GOCSPX-short"],
    ),
    Rule::token(
        "npm-token",
        &["npm_"],
        &[&[FromStart, Run(Alnum, 36, 36), Not(Word)]],
        &[("", concat!("np", "m_", a32!(), "Wy3k"), "\n")],
        &["npm_config_registry", "npm_lifecycle_event=build"],
    ),
    Rule::token(
        "pypi-token",
        &["pypi-AgE"],
        &[&[FromStart, Run(Token, 50, 255), Onward(Token)]],
        &[("", concat!("py", "pi-AgE", a32!(), a32!()), "\n")],
        &["pypi-AgEnda", "pypi-publish"],
    ),
    Rule::token(
        "rubygems-token",
        &["rubygems_"],
        &[&[FromStart, Run(Hex, 48, 48), Not(Word)]],
        &[("", concat!("ruby", "gems_", h32!(), "3f9a7c1eb05d8264"), "\n")],
        &["rubygems_version"],
    ),
    Rule::token(
        "dockerhub-token",
        &["dckr_pat_", "dckr_oat_"],
        &[&[FromStart, Run(Token, 27, 64), Onward(Token)]],
        &[("", concat!("dckr", "_pat_", a8!(), a8!(), a8!(), "Wy3"), "\n")],
        &["dckr_pat_x"],
    ),
    Rule::token(
        "sendgrid-key",
        &["SG."],
        &[&[FromStart, Run(Token, 22, 22), Text("."), Run(Token, 43, 43), Not(Token)]],
        &[("", concat!("S", "G.", a8!(), a8!(), "Wy3kPq", ".", a32!(), a8!(), "Wy3"), "\n")],
        &["SG.1", "SG.something.else"],
    ),
    Rule::token(
        "mailgun-key",
        &["key-"],
        &[&[FromStart, Run(Hex, 32, 32), Not(Token)]],
        &[("api:", concat!("ke", "y-", h32!()), " ")],
        &["key-value", "key-3f9a"],
    ),
    Rule::token(
        "digitalocean-token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        &[&[FromStart, Run(Hex, 64, 64), Not(Word)]],
        &[("", concat!("do", "p_v1_", h32!(), h32!()), "\n")],
        &["dop_v1_abc"],
    ),
    Rule::token(
        "telegram-token",
        &[],
        &[&[FromStart, Run(Digit, 8, 10), Text(":AA"), Run(Token, 33, 33), Not(Token)]],
        &[("bot ", concat!("1234567890", ":A", "A", a32!(), "W"), "\n")],
        &["12345678:AA", "12:34:56", "1234567890:AAshort"],
    )
    .starting(Start::Two(Class::Digit), Before::NoWord),
    Rule::token(
        "anthropic-key",
        &["sk-ant-"],
        &[&[FromStart, Run(Token, 40, 255), Onward(Token)]],
        &[("", concat!("sk", "-ant-api03-", a32!(), a32!()), "\n")],
        &["sk-ant-", "sk-ant-api03"],
    ),
    Rule::token(
        "openai-key",
        &["sk-proj-", "sk-svcacct-", "sk-admin-"],
        &[&[FromStart, Run(Token, 40, 255), Onward(Token)]],
        &[("", concat!("sk", "-proj-", a32!(), a32!()), "\n")],
        &["sk-proj-name"],
    ),
    Rule::token(
        "sk-key",
        &["sk-"],
        &[&[FromStart, Run(Alnum, 32, 64), Not(Token)]],
        &[("", concat!("sk", "-", h32!()), "\n"), ("key=", concat!("sk", "-", a32!(), a8!(), a8!()), " ")],
        &["sk-learn", "task-3f9a7c1eb05d82649e1c7ab340f6d852"],
    )
    .checked(Check::Entropy(25)),
    Rule::token(
        "huggingface-token",
        &["hf_"],
        &[&[FromStart, Run(Alnum, 34, 40), Not(Word)]],
        &[("", concat!("h", "f_", a32!(), "Wy"), "\n")],
        &["hf_hub_download", "hf_transfer"],
    ),
    Rule::token(
        "groq-key",
        &["gsk_"],
        &[&[FromStart, Run(Alnum, 52, 52), Not(Word)]],
        &[("", concat!("gs", "k_", a32!(), a8!(), a8!(), "Wy3k"), "\n")],
        &["gsk_short"],
    ),
    Rule::token(
        "replicate-token",
        &["r8_"],
        &[&[FromStart, Run(Alnum, 37, 37), Not(Word)]],
        &[("", concat!("r", "8_", a32!(), "Wy3kP"), "\n")],
        &["r8_register"],
    ),
    Rule::token(
        "vault-token",
        &["hvs.", "hvb.", "hvr."],
        &[&[FromStart, Run(Token, 24, 255), Onward(Token)]],
        &[("token ", concat!("hv", "s.", a32!()), "\n")],
        &["hvs.com", "hvb.example.org"],
    ),
    Rule::token(
        "grafana-token",
        &["glsa_", "glc_"],
        &[&[FromStart, Run(Word, 32, 255), Onward(Class::Base64)]],
        &[("", concat!("gl", "sa_", a32!(), "_3f9a7c1e"), "\n")],
        &["glsa_short", "glc_x"],
    ),
    Rule::token(
        "sentry-token",
        &["sntrys_", "sntryu_"],
        &[&[FromStart, Run(Word, 40, 255), Onward(Class::Header)]],
        &[("", concat!("sn", "tryu_", h32!(), h32!()), "\n")],
        &["sntryu_x"],
    ),
    Rule::token(
        "pulumi-token",
        &["pul-"],
        &[&[FromStart, Run(Hex, 40, 40), Not(Token)]],
        &[("", concat!("pu", "l-", h32!(), "3f9a7c1e"), "\n")],
        &["pul-request"],
    ),
    Rule::token(
        "tailscale-key",
        &["tskey-"],
        &[&[FromStart, Run(Token, 20, 255), Onward(Token)]],
        &[("", concat!("ts", "key-auth-", a8!(), "-", a32!()), "\n")],
        &["tskey-auth"],
    ),
    Rule::token(
        "databricks-token",
        &["dapi"],
        &[&[FromStart, Run(Hex, 32, 32), Not(Alnum)]],
        &[("", concat!("da", "pi", h32!()), "\n")],
        &["dapi", "dapibus"],
    ),
    Rule::token(
        "atlassian-token",
        &["ATATT3", "ATCTT3"],
        &[&[FromStart, Run(Token, 50, 255), Onward(Class::Header)]],
        &[("", concat!("AT", "ATT3", a32!(), a32!(), "=3F9A7C1E"), "\n")],
        &["ATATT3"],
    ),
    Rule::token(
        "shopify-token",
        &["shpat_", "shpss_", "shpca_", "shppa_"],
        &[&[FromStart, Run(Hex, 32, 32), Not(Word)]],
        &[("", concat!("sh", "pat_", h32!()), "\n")],
        &["shpat_x"],
    ),
    Rule::token(
        "age-secret-key",
        &["AGE-SECRET-KEY-1"],
        &[&[FromStart, Run(UpperDigit, 58, 58), Not(Alnum)]],
        &[(
            "",
            concat!("AGE-SEC", "RET-KEY-1", "Q7MZ2XL9VB4NT8KR1CW6YH3JF5DS0GPA", "Q7MZ2XL9VB4NT8KR1CW6YH3JF5"),
            "\n",
        )],
        &["AGE-SECRET-KEY-1", "# created: AGE-SECRET-KEY-1..."],
    ),
    Rule::token(
        "postman-key",
        &["PMAK-"],
        &[&[FromStart, Run(Hex, 24, 24), Text("-"), Run(Hex, 34, 34), Not(Alnum)]],
        &[("", concat!("PM", "AK-", "3f9a7c1eb05d82649e1c7ab3", "-", h32!(), "3f"), "\n")],
        &["PMAK-1"],
    ),
    Rule::token(
        "new-relic-key",
        &["NRAK-"],
        &[&[FromStart, Run(UpperDigit, 27, 27), Not(Alnum)]],
        &[("", concat!("NR", "AK-", "Q7MZ2XL9VB4NT8KR1CW6YH3JF5D"), "\n")],
        &["NRAK-X"],
    ),
    Rule::token(
        "linear-key",
        &["lin_api_"],
        &[&[FromStart, Run(Alnum, 40, 40), Not(Word)]],
        &[("", concat!("lin", "_api_", a32!(), a8!()), "\n")],
        &["lin_api_version"],
    ),
    Rule::token(
        "doppler-token",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."],
        &[&[FromStart, Run(Dotted, 40, 80), Onward(Dotted)]],
        &[("", concat!("dp", ".pt.", a32!(), a8!(), "Wy3"), "\n")],
        &["dp.pt.x"],
    ),
    Rule::token(
        "supabase-token",
        &["sbp_"],
        &[&[FromStart, Run(Hex, 40, 40), Not(Word)]],
        &[("", concat!("sb", "p_", h32!(), "3f9a7c1e"), "\n")],
        &["sbp_x"],
    ),
    Rule::token(
        "password-hash",
        &["$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$argon2id$", "$argon2i$"],
        &[&[FromStart, Run(Class::Crypt, 40, 255), Onward(Class::Crypt)]],
        &[
            ("root:", concat!("$", "6$", a8!(), "$", a32!(), a32!()), ":19000"),
            ("", concat!("$", "2b$12$", a32!(), a8!(), a8!(), "Wy3kP"), "\n"),
        ],
        &["$6$ and $5$", "costs $5$ each"],
    )
    .starting(
        Start::Exact(&["$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$argon2id$", "$argon2i$"]),
        Before::Anything,
    ),
];
