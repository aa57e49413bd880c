//! What a target needs so that it lets this bastion in: to paste, as Ansible tasks, as cloud-init, or as JSON.

use std::net::IpAddr;

use serde_json::json;

use super::line::Trust;
use super::{Error, Visit};
use crate::domain::printable;

const CA_FILE: &str = "/etc/ssh/sallyport_target_ca.pub";
const REVOKED: &str = "/etc/ssh/sallyport_revoked_keys";
const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-sallyport.conf";
const INCLUDE: &str = "Include /etc/ssh/sshd_config.d/*.conf";
/// What puts the settings into effect: only where sshd takes them.
const RELOAD: &str = "sshd -t && { systemctl reload ssh || systemctl reload sshd; }";

// PermitUserRC and PermitUserEnvironment: an account could otherwise change what runs, by ~/.ssh/rc or ~/.ssh/environment.
// RevokedKeys: the place to put our authority's key the day it is stolen.
const SSHD_LINES: [&str; 4] = [
    "TrustedUserCAKeys /etc/ssh/sallyport_target_ca.pub",
    "RevokedKeys /etc/ssh/sallyport_revoked_keys",
    "PermitUserRC no",
    "PermitUserEnvironment no",
];

/// What the texts are made of.
struct Needs {
    bastion: String,
    key: String,
    /// Our address as the target sees it, exempt from the penalties of OpenSSH 9.8 and later.
    source: Option<IpAddr>,
}

impl Visit<'_> {
    pub(super) async fn trust(&self, asked: &Trust) -> Result<(), Error> {
        let settings = &self.room.settings;
        let target = match &asked.target {
            None => None,
            Some(name) => {
                let all = self.room.sessions.targets();
                let found = all.iter().find(|target| target.is_called(name) && !self.logins(target).is_empty());
                Some(found.cloned().ok_or_else(|| Error::NoTarget(printable(name, 64)))?)
            }
        };
        let needs = Needs {
            bastion: settings.bastion.clone(),
            key: key_line(&settings.target_ca),
            source: target.as_ref().and_then(|target| self.room.reach.source(target)),
        };
        let account = format!("cert-authority {}", needs.key);
        let host = match settings.port {
            22 => settings.host.clone(),
            port => format!("[{}]:{port}", settings.host),
        };
        let known = format!("@cert-authority {host} {}", key_line(&settings.host_ca));
        let text = match asked.format.as_str() {
            "ansible" => needs.ansible(),
            "cloud-init" => needs.cloud_init(),
            _ => format!(
                "{}\n# Or for one account only: one line in its ~/.ssh/authorized_keys.\n# {account}\n\n\
                 # On your own machine, in ~/.ssh/known_hosts: so that ssh knows this bastion.\n# {known}\n",
                needs.shell()
            ),
        };
        let value = json!({
            "target": target.map(|target| target.name.to_string()),
            "target_ca": needs.key,
            "trusted_user_ca_keys": { "file": CA_FILE, "content": format!("{}\n", needs.key) },
            "revoked_keys": REVOKED,
            "sshd_config": SSHD_LINES,
            "source": needs.source.map(|source| source.to_string()),
            "authorized_keys": account,
            "known_hosts": known,
            "user_ca": key_line(&settings.user_ca),
            "host_ca": key_line(&settings.host_ca),
        });
        self.answer(asked.form, &text, &value).await
    }
}

impl Needs {
    fn shell(&self) -> String {
        let Self { bastion, key, .. } = self;
        let lines: Vec<String> = SSHD_LINES.iter().map(|line| format!("'{line}'")).collect();
        let mut text = format!(
            "# On the target, as root: lets {bastion} in, to any account that a rule allows.\n\
             PATH=$PATH:/usr/sbin; umask 022; mkdir -p /etc/ssh/sshd_config.d\n\
             echo '{key}' > {CA_FILE}\n\
             [ -e {REVOKED} ] || : > {REVOKED}\n\
             printf '%s\\n' {} > {DROP_IN}\n",
            lines.join(" "),
        );
        match self.source {
            Some(source) => text += &format!("{}\n", exempt(source)),
            None => {
                text += "# ('trust TARGET' adds a line that keeps the sshd of OpenSSH 9.8 and later from turning us away for others' faults.)\n"
            }
        }
        text += &format!("{}\n{RELOAD}\n", include());
        text
    }

    fn ansible(&self) -> String {
        let Self { bastion, key, .. } = self;
        let lines: String = SSHD_LINES.iter().map(|line| format!("        {line}\n")).collect();
        let penalty = self.source.map(|source| {
            format!(
                "    - name: Does sshd know penalties\n      ansible.builtin.command: sshd -t -o PerSourcePenaltyExemptList={source}\n      \
                 register: sallyport_penalties\n      changed_when: false\n      failed_when: false\n    \
                 - name: Exempt the bastion from them\n      ansible.builtin.lineinfile:\n        path: {DROP_IN}\n        \
                 line: PerSourcePenaltyExemptList {source}\n      when: sallyport_penalties.rc == 0\n"
            )
        });
        // The block scalar keeps the drop-in whole where the line above is added: both come in one file.
        format!(
            "# Tasks that let {bastion} in, to any account that a rule allows.\n\
             - name: Trust {bastion}\n  \
               become: true\n  \
               block:\n    \
                 - name: The authority of the bastion\n      \
                   ansible.builtin.copy:\n        \
                     dest: {CA_FILE}\n        \
                     content: \"{key}\\n\"\n        \
                     mode: \"0644\"\n    \
                 - name: A place for keys that are revoked\n      \
                   ansible.builtin.copy:\n        \
                     dest: {REVOKED}\n        \
                     content: \"\"\n        \
                     force: false\n        \
                     mode: \"0644\"\n    \
                 - name: What sshd must know\n      \
                   ansible.builtin.blockinfile:\n        \
                     path: {DROP_IN}\n        \
                     create: true\n        \
                     mode: \"0644\"\n        \
                     block: |\n{}{}    \
                 - name: Sshd reads that folder\n      \
                   ansible.builtin.lineinfile:\n        \
                     path: /etc/ssh/sshd_config\n        \
                     insertbefore: BOF\n        \
                     regexp: ^\\s*Include\\s+/etc/ssh/sshd_config\\.d/\n        \
                     line: {INCLUDE}\n    \
                 - name: Sshd takes it\n      \
                   ansible.builtin.shell: {RELOAD_YAML}\n      \
                   changed_when: true\n",
            lines.replace("        ", "          "),
            penalty.unwrap_or_default(),
        )
    }

    fn cloud_init(&self) -> String {
        let Self { bastion, key, .. } = self;
        let lines: String = SSHD_LINES.iter().map(|line| format!("      {line}\n")).collect();
        let exempt = self.source.map(|source| format!("  - '{}'\n", exempt(source).replace('\'', "''")));
        format!(
            "#cloud-config\n\
             # Lets {bastion} in, to any account that a rule allows.\n\
             write_files:\n  \
               - path: {CA_FILE}\n    \
                 permissions: '0644'\n    \
                 content: |\n      {key}\n  \
               - path: {REVOKED}\n    \
                 permissions: '0644'\n    \
                 content: ''\n  \
               - path: {DROP_IN}\n    \
                 permissions: '0644'\n    \
                 content: |\n{lines}\
             runcmd:\n{}  \
               - '{}'\n  \
               - '{}'\n",
            exempt.unwrap_or_default(),
            include().replace('\'', "''"),
            RELOAD.replace('\'', "''"),
        )
    }
}

/// As a plain scalar of YAML: no colon and no hash stand in it.
const RELOAD_YAML: &str = RELOAD;

/// Only where sshd knows the word: an older one would not start with it.
fn exempt(source: IpAddr) -> String {
    format!(
        "sshd -t -o PerSourcePenaltyExemptList={source} 2>/dev/null && echo 'PerSourcePenaltyExemptList {source}' >> {DROP_IN}"
    )
}

/// Debian and its kin have the line; where it is missing it goes to the top, since sshd takes the first word on a thing.
fn include() -> String {
    format!(
        "grep -q '^Include /etc/ssh/sshd_config.d/' /etc/ssh/sshd_config || sed -i '1i {INCLUDE}' /etc/ssh/sshd_config"
    )
}

/// Fit to stand between quotes of a shell and of YAML.
fn key_line(line: &str) -> String {
    printable(line.trim(), 2048).replace(['\'', '"', '\\'], "")
}
