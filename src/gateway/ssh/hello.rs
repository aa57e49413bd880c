//! What a client says first, read before the library answers it: whether it knows AES-GCM. Pure.
//!
//! In SSH the client's order of ciphers decides (RFC 4253 §7.1), and OpenSSH's begins with ChaCha20, which costs both ends two to
//! three times as much where the processor has AES. What is not offered is not chosen.

/// RFC 4253 §4.2: a version line with its end.
const VERSION_BYTES: usize = 255;

/// More than any client has to say at once; RFC 4253 §6.1 allows four times as much.
pub const MOST_BYTES: usize = 8 * 1024;

/// Of RFC 4253 §12.
const KEXINIT: u8 = 20;

/// RFC 5647, by the names that OpenSSH gave it.
const AES_GCM: [&[u8]; 2] = [b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com"];

/// Whether the client takes AES-GCM in both directions, by its version line and its offer of algorithms; none as long as more of
/// them is to come. What is no such offer is a no: the library says what is wrong with it.
pub fn knows_aes_gcm(heard: &[u8]) -> Option<bool> {
    let line = heard.get(..VERSION_BYTES).unwrap_or(heard);
    let Some(end) = memchr::memchr(b'\n', line) else {
        return (line.len() == VERSION_BYTES).then_some(false);
    };
    let (length, rest) = heard.get(end + 1..)?.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MOST_BYTES - VERSION_BYTES - size_of::<u32>() {
        return Some(false);
    }
    let packet = rest.get(..length)?;
    Some(has_in_both(packet).unwrap_or(false))
}

/// Of a packet: its padding's length, then the message (RFC 4253 §6); none where it is something else.
fn has_in_both(packet: &[u8]) -> Option<bool> {
    let (padding, rest) = packet.split_first()?;
    let message = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    let (kind, rest) = message.split_first()?;
    // A cookie of 16 bytes, then lists of names: of key exchanges, of host keys, and of ciphers either way (§7.1).
    let mut rest = rest.get(16..).filter(|_| *kind == KEXINIT)?;
    let mut has = [false; 4];
    for has in &mut has {
        let (length, after) = rest.split_first_chunk()?;
        let (names, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        *has = names.split(|byte| *byte == b',').any(|name| AES_GCM.contains(&name));
        rest = after;
    }
    let [.., up, down] = has;
    Some(up && down)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(up: &str, down: &str) -> Vec<u8> {
        let lists =
            ["curve25519-sha256", "ssh-ed25519", up, down, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""];
        let mut message = vec![KEXINIT];
        message.extend([7; 16]);
        for list in lists {
            message.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            message.extend(list.as_bytes());
        }
        message.extend([0; 5]);
        let mut heard = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec();
        heard.extend(u32::try_from(message.len() + 5).unwrap().to_be_bytes());
        heard.push(4);
        heard.extend(message);
        heard.extend([0; 4]);
        heard
    }

    #[test]
    fn a_client_that_knows_it_is_known_once_all_has_come() {
        let heard = offer("chacha20-poly1305@openssh.com,aes256-gcm@openssh.com", "aes128-gcm@openssh.com,aes128-ctr");
        for length in 0..heard.len() {
            assert_eq!(knows_aes_gcm(&heard[..length]), None, "{length}");
        }
        assert_eq!(knows_aes_gcm(&heard), Some(true));
        assert_eq!(knows_aes_gcm(&[heard.as_slice(), b"more"].concat()), Some(true));
    }

    #[test]
    fn it_must_be_known_in_both_directions_and_by_its_name() {
        let (chacha, gcm) = ("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com");
        for (up, down) in
            [(chacha, gcm), (gcm, chacha), (chacha, chacha), ("", ""), ("aes128-gcm", "xaes128-gcm@openssh.com")]
        {
            assert_eq!(knows_aes_gcm(&offer(up, down)), Some(false), "{up} {down}");
        }
    }

    #[test]
    fn what_is_no_offer_is_a_no_and_never_waited_for() {
        let long = [&[b'x'; VERSION_BYTES][..]].concat();
        let lied = b"SSH-2.0-x\r\n\xff\xff\xff\xff".to_vec();
        let mut other = offer("a", "b");
        let kind = other.iter().position(|byte| *byte == KEXINIT).unwrap();
        other[kind] = 21;
        let short = b"SSH-2.0-x\r\n\0\0\0\x01\x09".to_vec();
        for heard in [long, lied, other, short, b"\n\0\0\0\0".to_vec()] {
            assert_eq!(knows_aes_gcm(&heard), Some(false), "{}", heard.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn once_it_is_known_more_does_not_change_it_and_too_much_is_always_enough(
            at in 0..400_usize, with: Vec<u8>, more: Vec<u8>, cut in 0..400_usize,
        ) {
            let mut heard = offer("aes128-gcm@openssh.com", "aes128-gcm@openssh.com");
            let at = at.min(heard.len());
            heard.splice(at..at + with.len().min(heard.len() - at), with);
            heard.extend(more);
            let (known, before) = (knows_aes_gcm(&heard), knows_aes_gcm(&heard[..cut.min(heard.len())]));
            proptest::prop_assert!(before.is_none() || before == known);
            heard.resize(heard.len().max(MOST_BYTES), 0);
            proptest::prop_assert!(knows_aes_gcm(&heard).is_some());
        }
    }
}
