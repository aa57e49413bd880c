//! Who could have written a file: only its owner or root may, on the whole way to it.
//!
//! Reads nothing that somebody else could have put there.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// Whether others may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Anybody.
    Anyone,
    /// Only its owner: it holds a secret.
    Owner,
}

/// The largest file that is read.
const LIMIT_BYTES: u64 = 4 * 1024 * 1024;
const LINKS: usize = 16;

/// Reads a file whose way and rights are in order. The error is what is wrong, and the mend.
pub(super) fn read(path: &Path, readers: Readers) -> Result<Vec<u8>, (String, String)> {
    let real = way(path)?;
    let refused =
        |error: std::io::Error| (format!("cannot be read: {error}"), "check the path and its rights".to_owned());
    // The way was followed above; a link that appears now is not.
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits()).unwrap_or(0);
    let mut file = fs::File::options().read(true).custom_flags(flags).open(&real).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(("is not a plain file".into(), "name a file".into()));
    }
    own(&real, &metadata)?;
    if readers == Readers::Owner && metadata.mode() & 0o077 != 0 {
        let mode = format!("{:04o}", metadata.mode() & 0o7777);
        return Err((
            format!("holds a secret that others may read (mode {mode})"),
            format!("chmod 600 {}", real.display()),
        ));
    }
    if metadata.len() > LIMIT_BYTES {
        return Err(("is longer than 4 MiB".into(), "name another file".into()));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(LIMIT_BYTES).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

/// Follows a path by hand, link by link, and checks who could change each step of it. Gives the path without links.
pub(super) fn way(path: &Path) -> Result<PathBuf, (String, String)> {
    let absolute = std::path::absolute(path).map_err(|error| (format!("is no path: {error}"), "name a file".into()))?;
    let mut left = steps(&absolute);
    let mut real = PathBuf::from("/");
    let mut links = 0;
    while let Some(step) = left.pop() {
        if step == ".." {
            real.pop();
            continue;
        }
        real.push(&step);
        let metadata = fs::symlink_metadata(&real).map_err(|error| {
            (format!("{} cannot be looked at: {error}", real.display()), "create it, or name another".to_owned())
        })?;
        own(&real, &metadata)?;
        if !metadata.is_symlink() {
            continue;
        }
        links += 1;
        let target = fs::read_link(&real).map_err(|error| (error.to_string(), "name the file itself".to_owned()))?;
        if links > LINKS {
            return Err(("is a link to a link without end".into(), "name the file itself".into()));
        }
        // What the link says comes next, from its own folder or from the root.
        real.pop();
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        left.extend(steps(&target));
    }
    Ok(real)
}

/// The steps of a path, last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let step = |component| match component {
        Component::Normal(name) => Some(OsString::from(name)),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(step).collect()
}

fn own(path: &Path, metadata: &Metadata) -> Result<(), (String, String)> {
    let us = rustix::process::geteuid().as_raw();
    let shown = path.display();
    if metadata.uid() != 0 && metadata.uid() != us {
        return Err((
            format!("{shown} belongs to user {}, who could change it", metadata.uid()),
            format!("chown it to root or to user {us}"),
        ));
    }
    // A link has no rights of its own. In a sticky folder such as /tmp nobody replaces what is not theirs.
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    if !metadata.is_symlink() && !sticky && metadata.mode() & 0o022 != 0 {
        return Err((
            format!("{shown} may be written by others (mode {:04o})", metadata.mode() & 0o7777),
            format!("chmod go-w {shown}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A folder that only we may write, whatever the umask is.
    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn check(path: &Path, readers: Readers, want: &str) {
        match read(path, readers) {
            Ok(bytes) => assert_eq!(want, String::from_utf8(bytes).unwrap()),
            Err((what, mend)) => assert!(what.contains(want) && !want.is_empty(), "{what}; {mend}"),
        }
    }

    #[test]
    fn a_file_that_others_may_write_is_not_read_by_any_way() {
        let folder = folder();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        mode(&inner, 0o755);
        let file = inner.join("file");
        fs::write(&file, "text").unwrap();
        mode(&file, 0o644);
        let link = folder.path().join("link");
        symlink("inner/../inner/file", &link).unwrap();
        check(&file, Readers::Anyone, "text");
        check(&link, Readers::Anyone, "text");
        check(&file, Readers::Owner, "others may read");
        mode(&file, 0o600);
        check(&link, Readers::Owner, "text");
        for open in [0o620, 0o602] {
            mode(&file, open);
            check(&link, Readers::Anyone, "may be written by others");
        }
        mode(&file, 0o600);
        mode(&inner, 0o777);
        check(&link, Readers::Anyone, "may be written by others");
        mode(&inner, 0o1777);
        check(&link, Readers::Anyone, "text");
    }

    #[test]
    fn folders_devices_endless_links_and_nothing_are_no_files() {
        let folder = folder();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        check(&link, Readers::Anyone, "without end");
        check(folder.path(), Readers::Anyone, "not a plain file");
        check(&folder.path().join("none"), Readers::Anyone, "cannot be looked at");
    }

    #[test]
    fn a_link_that_somebody_else_made_is_not_followed() {
        // Only root can give a file away; elsewhere there is nothing to try.
        let folder = folder();
        let link = folder.path().join("link");
        symlink("/etc/hostname", &link).unwrap();
        if std::os::unix::fs::lchown(&link, Some(12_345), None).is_ok() {
            check(&link, Readers::Anyone, "belongs to user 12345");
        }
    }
}
