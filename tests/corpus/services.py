"""Tokens of more services, as their documents show them. Like `kinds`, which has the tools."""

from kinds import ALNUM, B32, DIGITS, HEX, LOWER, UPPER, URLSAFE, b64, draw, kind, neutral, of, s, token


def uuid(r):
    return "-".join(draw(r, HEX, count) for count in (8, 4, 4, 4, 12))


for name, prefixes, body in [
    ("gitlab_trigger", ["gl" + "ptt-"], of(HEX, 40)),
    ("gitlab_agent", ["gl" + "agent-"], of(URLSAFE, 50)),
    ("gitlab_feed", ["gl" + "ft-"], of(URLSAFE, 20)),
    ("mailgun", ["ke" + "y-"], of(HEX, 32)),
    ("square_access", ["sq" + "0atp-"], of(URLSAFE, 22)),
    ("square_secret", ["sq" + "0csp-"], of(URLSAFE, 43)),
    ("figma", ["fig" + "d_"], of(URLSAFE, 40)),
    ("notion", ["nt" + "n_"], of(ALNUM, 46)),
    ("netlify", ["nf" + "p_"], of(ALNUM, 40)),
    ("supabase", ["sb" + "p_"], of(HEX, 40)),
    ("planetscale_token", ["pscale" + "_tkn_"], of(URLSAFE, 43)),
    ("planetscale_password", ["pscale" + "_pw_"], of(URLSAFE, 43)),
    ("prefect", ["pn" + "u_"], of(LOWER + DIGITS, 36)),
    ("readme", ["rd" + "me_"], of(LOWER + DIGITS, 70)),
    ("shippo", ["shippo" + "_live_", "shippo" + "_test_"], of(HEX, 40)),
    ("brevo", ["xkey" + "sib-"], lambda r: draw(r, HEX, 64) + "-" + draw(r, ALNUM, 16)),
    ("contentful", ["CF" + "PAT-"], of(URLSAFE, 43)),
    ("duffel", ["duffel" + "_live_", "duffel" + "_test_"], of(URLSAFE, 43)),
    ("dynatrace", ["dt0" + "c01."], lambda r: draw(r, B32, 24) + "." + draw(r, B32, 64)),
    ("easypost", ["EZ" + "AK"], of(ALNUM, 54)),
    ("frameio", ["fi" + "o-u-"], of(URLSAFE, 64)),
    ("hubspot", ["pat" + "-na1-", "pat" + "-eu1-"], uuid),
    ("plaid", ["access" + "-production-", "access" + "-sandbox-"], uuid),
    ("sonar", ["sq" + "p_", "sq" + "u_"], of(HEX, 40)),
    ("buildkite", ["bk" + "ua_"], of(HEX, 40)),
    ("circleci", ["CCI" + "PAT_"], lambda r: draw(r, ALNUM, 22) + "_" + draw(r, HEX, 40)),
    ("xai", ["xa" + "i-"], of(ALNUM, 80)),
    ("perplexity", ["pp" + "lx-"], of(ALNUM, 48)),
    ("langsmith", ["lsv2" + "_pt_"], lambda r: draw(r, HEX, 32) + "_" + draw(r, HEX, 10)),
    ("pinecone", ["pc" + "sk_"], lambda r: draw(r, ALNUM, 6) + "_" + draw(r, ALNUM, 62)),
    ("google_refresh", ["1/" + "/0"], of(URLSAFE, 60)),
    ("clojars", ["CLO" + "JARS_"], of(LOWER + DIGITS, 60)),
    ("crates_io", ["ci" + "o"], of(ALNUM, 32)),
    ("render", ["rn" + "d_"], of(ALNUM, 32)),
    ("fly_macaroon", ["fm" + "2_"], lambda r: b64(r.randbytes(150))),
    ("alibaba", ["LT" + "AI"], of(ALNUM, 20)),
    ("razorpay", ["rzp" + "_live_"], of(ALNUM, 14)),
    ("typeform", ["tf" + "p_"], lambda r: draw(r, ALNUM, 44) + "_" + draw(r, ALNUM, 14)),
    ("openai_service", ["sk-" + "svcacct-"], lambda r: draw(r, URLSAFE, 74) + "T3Bl" + "bkFJ" + draw(r, URLSAFE, 74)),
    ("onepassword", ["op" + "s_"], lambda r: b64(b'{"signInAddress":"x","userAuth":"' + r.randbytes(150) + b'"}')),
]:
    token("token", name, *prefixes, body=body)


@kind("token")
def airtable(r):
    return neutral(r, draw(r, ALNUM, 14) + "." + draw(r, HEX, 64), "pa" + "t")


@kind("token")
def password_hash_yescrypt(r):
    return f"app:$y$j9T${s(draw(r, ALNUM + './', 22) + '$' + draw(r, ALNUM + './', 43))}:20000:0:99999:7:::"


@kind("token")
def password_hash_apr1(r):
    return f"admin:$apr1${s(draw(r, ALNUM, 8) + '$' + draw(r, ALNUM + './', 22))}"


@kind("token")
def password_hash_django(r):
    return neutral(r, draw(r, ALNUM, 22) + "$" + b64(r.randbytes(32)), "pbkdf2" + "_sha256$600000$")


@kind("token")
def password_hash_ldap(r):
    return "userPassword: " + s("{SSHA}" + b64(r.randbytes(24)))


@kind("token")
def password_hash_nt(r):
    return f"Administrator:500:{s(draw(r, HEX, 32))}:{s(draw(r, HEX, 32))}:::"


@kind("url")
def teams_webhook(r):
    path = f"{uuid(r)}@{uuid(r)}/IncomingWebhook/{draw(r, HEX, 32)}/{uuid(r)}"
    return "https://example.webhook.office" + ".com/webhookb2/" + s(path)


@kind("url")
def otpauth(r):
    return f"otpauth://totp/app:me?secret={s(draw(r, B32, 32))}&issuer=app"


@kind("header")
def okta_ssws(r):
    return f"Authorization: SSWS {s('00' + draw(r, URLSAFE, 40))}"


@kind("header")
def cookie(r):
    name, value = r.choice([("sessionid", draw(r, LOWER + DIGITS, 32)), ("JSESSIONID", draw(r, DIGITS + "ABCDEF", 32)), ("connect.sid", "s%3A" + draw(r, URLSAFE, 32) + "." + draw(r, ALNUM, 43))])
    return f"Cookie: {name}={s(value)}; lang=en"


@kind("header")
def proxy_basic(r):
    return f"Proxy-Authorization: Basic {s(b64(('proxy:' + draw(r, ALNUM, 14)).encode()))}"


@kind("assignment")
def service_setting(r):
    name, value = r.choice(
        [
            ("TWILIO_AUTH_TOKEN", draw(r, HEX, 32)),
            ("SNYK_TOKEN", uuid(r)),
            ("HEROKU_API_KEY", uuid(r)),
            ("CLOUDFLARE_API_TOKEN", draw(r, URLSAFE, 40)),
            ("FASTLY_API_TOKEN", draw(r, ALNUM, 32)),
            ("ALGOLIA_ADMIN_KEY", draw(r, HEX, 32)),
            ("VERCEL_TOKEN", draw(r, ALNUM, 24)),
            ("CONSUL_HTTP_TOKEN", uuid(r)),
            ("NOMAD_TOKEN", uuid(r)),
            ("JENKINS_API_TOKEN", "11" + draw(r, HEX, 32)),
            ("WANDB_API_KEY", draw(r, HEX, 40)),
            ("MISTRAL_API_KEY", draw(r, ALNUM, 32)),
            ("RAILWAY_TOKEN", uuid(r)),
            ("BT_PRIVATE_KEY", draw(r, HEX, 32)),
            ("SECRET_KEY_BASE", draw(r, HEX, 128)),
        ]
    )
    return r.choice(["{}={}", "export {}={}", '{}="{}"', "{}: {}"]).format(name, s(value))


def token_kinds(name, prefix, value):
    def make(r):
        return neutral(r, prefix + value(r))

    make.__name__ = name
    kind("token")(make)


ANY_HEX = DIGITS + "abcdefABCDEF"
for name, prefix, value in [
    ("octopus", "AP" + "I-", lambda r: draw(r, UPPER + DIGITS, 26)),
    ("harness", "pa" + "t.", lambda r: draw(r, URLSAFE, 22) + "." + draw(r, ALNUM, 24) + "." + draw(r, ALNUM, 20)),
    ("sourcegraph", "sg" + "p_", lambda r: draw(r, ANY_HEX, 16) + "_" + draw(r, ANY_HEX, 40)),
    ("clickhouse", "4b" + "1d", lambda r: draw(r, ALNUM, 38)),
    ("openshift", "sha2" + "56~", lambda r: draw(r, URLSAFE, 43)),
    ("scalingo", "tk" + "-us-", lambda r: draw(r, URLSAFE, 48)),
    ("settlemint", "sm" + "_pat_", lambda r: draw(r, ALNUM, 16)),
    ("onepassword_key", "A" + "3-", lambda r: "-".join(draw(r, UPPER + DIGITS, count) for count in (6, 6, 5, 5, 5, 5))),
    ("facebook", "EA" + "AG", lambda r: draw(r, ALNUM, 150)),
    ("slack_legacy", "xo" + "xo-", lambda r: f"{draw(r, DIGITS, 12)}-{draw(r, DIGITS, 12)}-{draw(r, DIGITS, 12)}-{draw(r, HEX, 10)}"),
    ("new_relic_insert", "NR" + "II-", lambda r: draw(r, URLSAFE, 32)),
    ("artifactory_reference", "cmV" + "md", lambda r: draw(r, ALNUM, 59)),
    ("langfuse", "sk-" + "lf-", uuid),
    ("tavily", "tv" + "ly-", lambda r: "dev-" + draw(r, ALNUM, 32)),
    ("e2b", "e2" + "b_", of(HEX, 40)),
    ("jina", "ji" + "na_", lambda r: draw(r, HEX, 32) + draw(r, ALNUM, 30)),
    ("firecrawl", "f" + "c-", of(HEX, 32)),
    ("wandb", "wan" + "db_v1_", of(ALNUM, 77)),
    ("vercel", "vc" + "p_", of(ALNUM, 56)),
    ("supabase_secret", "sb" + "_secret_", of(URLSAFE, 31)),
    ("neon", "na" + "pi_", of(LOWER + DIGITS, 64)),
    ("mongodb_service", "mdb" + "_sa_sk_", of(URLSAFE, 40)),
    ("axiom", "xa" + "at-", uuid),
    ("posthog", "ph" + "x_", of(ALNUM, 43)),
    ("resend", "r" + "e_", lambda r: draw(r, ALNUM, 8) + "_" + draw(r, ALNUM, 24)),
    ("k3s", "K" + "10", lambda r: draw(r, HEX, 64) + "::server:" + draw(r, HEX, 32)),
]:
    token_kinds(name, prefix, value)

for name, prefix, value in [
    ("amazon_login", "amz" + "n1.oa2-cs.v1.", of(HEX, 64)),
    ("vercel_blob", "vercel" + "_blob_rw_", lambda r: draw(r, ALNUM, 16) + "_" + draw(r, ALNUM, 30)),
    ("google_auth_code", "4/" + "0A", of(URLSAFE, 70)),
    ("xata", "xa" + "u_", of(ALNUM, 38)),
    ("mercadopago", "APP" + "_USR-", lambda r: f"{draw(r, DIGITS, 16)}-{draw(r, DIGITS, 6)}-{draw(r, HEX, 32)}-{draw(r, DIGITS, 9)}"),
    ("twitch_stream", "li" + "ve_", lambda r: draw(r, DIGITS, 9) + "_" + draw(r, ALNUM, 30)),
    ("pagarme", "ak" + "_live_", of(ALNUM, 30)),
    ("fleetbase", "flb" + "_live_", of(ALNUM, 20)),
    ("flexport", "sh" + "ltm_", of(URLSAFE, 40)),
    ("ionic", "io" + "n_", of(ALNUM, 42)),
    ("segment", "sg" + "p_", of(ALNUM, 64)),
    ("telnyx", "KE" + "Y0", lambda r: draw(r, DIGITS + UPPER, 31) + "_" + draw(r, ALNUM, 22)),
    ("discord_mfa", "mf" + "a.", of(URLSAFE, 84)),
    ("instagram", "IG" + "QV", of(URLSAFE, 150)),
    ("nostr", "ns" + "ec1", lambda r: draw(r, "qpzry9x8gf2tvdw0s3jn54khce6mua7l", 58)),
    ("linear_oauth", "lin" + "_oauth_", of(HEX, 64)),
    ("together", "tg" + "p_v1_", of(URLSAFE, 43)),
    ("cerebras", "cs" + "k-", of(LOWER + DIGITS, 48)),
    ("new_relic_admin", "NR" + "AA-", of(HEX, 27)),
    ("pixie", "px" + "-dep-", uuid),
    ("buildkite_job", "bk" + "aj_", of(HEX, 40)),
    ("aws_old_key", "A3" + "T", of(DIGITS + UPPER, 17)),
]:
    token_kinds(name, prefix, value)
