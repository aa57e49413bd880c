//! What a check of the stored log finds, by file and place.

use super::*;

/// Changes one byte of the file; what the check says then.
async fn check(place: &Place, name: &str, at: usize) -> Vec<String> {
    let bytes = place.file(name).await.unwrap();
    let mut changed = bytes.to_vec();
    changed[at] ^= 1;
    place.disk.files().replace(name, changed.into()).await.unwrap();
    let faults = place.verify().await.faults;
    place.disk.files().replace(name, bytes).await.unwrap();
    faults
}

#[tokio::test]
async fn a_changed_byte_is_found_and_its_file_named() {
    let place = Place::new();
    place.used(300).await;
    let names = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/46",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/46",
        "tail",
    ];
    for name in names {
        let len = place.file(name).await.unwrap().len();
        for at in [0, 1, 3, len / 3, len / 2] {
            let faults = check(&place, name, at).await;
            // An entry that is still one after the change is told by the tile over it.
            let tile = name.replace("entries", "0");
            let named =
                |fault: &String| fault.starts_with(&format!("{name}: ")) || fault.starts_with(&format!("{tile}: "));
            assert!(faults.iter().any(named), "{name} byte {at}: {faults:?}");
        }
    }
    assert!(place.verify().await.is_good());
}

#[tokio::test]
async fn an_entry_that_was_changed_is_named_by_its_place() {
    let place = Place::new();
    place.used(300).await;
    let name = "tile/entries/000";
    let bundle = String::from_utf8_lossy(&place.file(name).await.unwrap()).into_owned();
    // A letter of a word: the entry is as good as before, and only the tree knows.
    let at = bundle.find("\"reason\":\"finished\"").unwrap() + 12;
    let faults = check(&place, name, at).await;
    assert!(faults.iter().any(|fault| fault.starts_with("tile/0/000: ")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("checkpoint: ")), "{faults:?}");
    let at = bundle.find("\"seq\":17,").unwrap() + 7;
    let faults = check(&place, name, at).await;
    assert!(faults.contains(&format!("{name}: entry 17 says that it is 16")), "{faults:?}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    for (folder, fault) in [
        ("tile/entries/001.p", "tile/entries/001.p/46: is missing or not a bundle of 46"),
        ("tile/0/001.p", "tile/0/001.p/46: is missing"),
        ("tile/1/000.p", "tile/1/000.p/1: is missing"),
    ] {
        let place = Place::new();
        place.used(300).await;
        place.disk.files().remove_folder(folder).await.unwrap();
        assert_eq!(place.verify().await.faults, [fault]);
    }
}
