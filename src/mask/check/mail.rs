//! What is an address of a person, and what only looks like one.

/// A name that is no machine's, at a domain that is no file, no unit of a service manager and no name of an algorithm.
pub(super) fn mail(value: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', value) else {
        return false;
    };
    let (name, domain) = value.split_at_checked(at).unwrap_or_default();
    let (name, domain) = (name.to_ascii_lowercase(), domain.get(1..).unwrap_or_default());
    let top = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let lower = domain.to_ascii_lowercase();
    is_top(top)
        && !MACHINES.iter().any(|machine| machine.as_bytes() == name)
        && !NOBODYS.iter().any(|other| lower == other.as_bytes())
        && !lower.ends_with(b".gserviceaccount.com")
        && !lower.windows(8).any(|part| part == b"noreply.")
}

/// A domain of a country, or another word that is written as one and is no ending of something else.
fn is_top(top: &[u8]) -> bool {
    let rest = top.get(1..).unwrap_or_default();
    let is_one_case = top.iter().all(u8::is_ascii_uppercase)
        || (top.iter().all(u8::is_ascii_alphabetic) && rest.iter().all(u8::is_ascii_lowercase));
    let lower = top.to_ascii_lowercase();
    match lower.as_slice() {
        [_, _] => is_one_case && COUNTRIES.as_bytes().chunks(3).any(|country| country.starts_with(&lower)),
        [b'x', b'n', b'-', b'-', ..] => true,
        other => {
            // Most differ in their first letter.
            let is_ending = |no: &&str| no.as_bytes().first() == other.first() && no.as_bytes() == other;
            is_one_case && other.len() <= 24 && !NO_DOMAINS.iter().any(is_ending)
        }
    }
}

/// Accounts that nobody is.
const MACHINES: &[&str] = &[
    "git",
    "hg",
    "svn",
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "not-reply",
    // Behind the hyphen of `no-reply`.
    "reply",
    "mailer-daemon",
    "root",
    "www",
    "ec2-user",
    "ubuntu",
    "this",
    "super",
];

/// Domains by which algorithms and extensions of SSH are named.
const NOBODYS: &[&str] = &["openssh.com", "libssh.org", "ssh.com", "lysator.liu.se"];

/// Endings of files, of units and of names inside a network.
const NO_DOMAINS: &[&str] = &[
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "ico",
    "css",
    "json",
    "yaml",
    "yml",
    "toml",
    "html",
    "htm",
    "xml",
    "txt",
    "log",
    "conf",
    "cfg",
    "lock",
    "tar",
    "tgz",
    "zip",
    "gz",
    "snap",
    "header",
    "catalog",
    "sed",
    "awk",
    "ini",
    "csv",
    "tsv",
    "rst",
    "tex",
    "pdf",
    "doc",
    "docx",
    "xls",
    "xlsx",
    "bak",
    "tmp",
    "swp",
    "orig",
    "rej",
    "old",
    "sock",
    "pid",
    "pem",
    "crt",
    "cer",
    "der",
    "csr",
    "asc",
    "sig",
    "sum",
    "wasm",
    "woff",
    "ttf",
    "mjs",
    "cjs",
    "jsx",
    "tsx",
    "java",
    "class",
    "lua",
    "bat",
    "cmd",
    "sql",
    "sqlite",
    "dat",
    "bin",
    "img",
    "elf",
    "obj",
    "lib",
    "cast",
    "proto",
    "gradle",
    "dump",
    "trace",
    "out",
    "err",
    "xz",
    "zst",
    "jar",
    "whl",
    "deb",
    "rpm",
    "iso",
    "exe",
    "dll",
    "git",
    "diff",
    "patch",
    "service",
    "socket",
    "timer",
    "mount",
    "automount",
    "slice",
    "target",
    "scope",
    "path",
    "device",
    "swap",
    "local",
    "localdomain",
    "localhost",
    "internal",
    "lan",
    "cluster",
    "svc",
];

/// ISO 3166, and what else has two letters in the root zone.
const COUNTRIES: &str = "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by \
    bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb \
    gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki \
    km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na \
    nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj \
    sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn \
    vu wf ws ye yt za zm zw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_domain_that_names_may_have() {
        for address in
            ["a.b@example.com", "x@example.CO.UK", "x@Example.Org", "x@corp.example", "x@bank.xn--p1ai", "i@t.io"]
        {
            assert!(mail(address.as_bytes()), "{address}");
        }
    }

    #[test]
    fn files_units_machines_and_algorithms_have_none() {
        for other in [
            "logo@2x.png",
            "files@test.cedar.snap",
            "en@boldquot.header",
            "systemd.be@latin.catalog",
            "dump@monday.sql",
            "getty@tty1.service",
            "db@host.internal",
            "x@host.qq",
            "x@host.cOm",
            "x@1.2.33",
            "git@github.com",
            "aes256-gcm@openssh.com",
            "1+bob@users.noreply.github.com",
            "ci@project.iam.gserviceaccount.com",
            "nothing",
        ] {
            assert!(!mail(other.as_bytes()), "{other}");
        }
    }
}
