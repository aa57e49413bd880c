//! The contract of `Files`, over every backend.

use sallyport::store::Error;

use super::{Place, noise, text};

#[tokio::test]
async fn an_append_makes_the_file_and_adds_to_it() {
    for place in Place::all() {
        let files = place.files();
        assert_eq!(files.read("tile/entries/000").await.unwrap(), None, "{place:?}");
        files.append("tile/entries/000", text("one ")).await.unwrap();
        files.append("tile/entries/000", text("two")).await.unwrap();
        drop(files);
        let found = place.files().read("tile/entries/000").await.unwrap();
        assert_eq!(found, Some(text("one two")), "{place:?}");
    }
}

#[tokio::test]
async fn a_replaced_file_holds_exactly_what_it_was_given() {
    for place in Place::all() {
        let files = place.files();
        for bytes in [noise(100_000), text("short"), text("")] {
            files.replace("tile/0/x001/067.p/12", bytes.clone()).await.unwrap();
            assert_eq!(files.read("tile/0/x001/067.p/12").await.unwrap(), Some(bytes), "{place:?}");
        }
        files.append("tile/0/x001/067.p/12", text("more")).await.unwrap();
        drop(files);
        let found = place.files().read("tile/0/x001/067.p/12").await.unwrap();
        assert_eq!(found, Some(text("more")), "{place:?}");
    }
}

#[tokio::test]
async fn a_file_is_cut_and_never_grows_by_a_cut() {
    for place in Place::all() {
        let files = place.files();
        files.append("tail", text("whole torn")).await.unwrap();
        for len in [99, 10, 5] {
            files.truncate("tail", len).await.unwrap();
        }
        assert_eq!(files.read("tail").await.unwrap(), Some(text("whole")), "{place:?}");
        files.truncate("absent", 0).await.unwrap();
        assert_eq!(files.read("absent").await.unwrap(), None, "{place:?}");
    }
}

#[tokio::test]
async fn a_folder_is_removed_with_what_it_holds_and_nothing_beside_it() {
    for place in Place::all() {
        let files = place.files();
        let inside = ["tile/0/000.p/1", "tile/0/000.p/255", "tile/0/000.p/deeper/1"];
        let beside = ["tile/0/000", "tile/0/000.p1", "tile/0/001.p/1"];
        for name in inside.iter().chain(&beside) {
            files.replace(name, text("x")).await.unwrap();
        }
        for folder in ["tile/0/000.p", "tile/0/000.p", "tile/0/000", "tile/9/000.p", "absent"] {
            files.remove_folder(folder).await.unwrap();
        }
        drop(files);
        let files = place.files();
        for name in inside {
            assert_eq!(files.read(name).await.unwrap(), None, "{name} in {place:?}");
        }
        for name in beside {
            assert_eq!(files.read(name).await.unwrap(), Some(text("x")), "{name} in {place:?}");
        }
        files.replace("tile/0/000.p/1", text("again")).await.unwrap();
        assert_eq!(files.read("tile/0/000.p/1").await.unwrap(), Some(text("again")), "{place:?}");
    }
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder_or_to_its_own_files() {
    for place in Place::all() {
        let files = place.files();
        for name in ["../outside", "/etc/hostname", "a/../../b", ".lock", ".format", "", "a//b"] {
            let refused = |outcome| matches!(outcome, Err(Error::Name(_)));
            assert!(refused(files.read(name).await.map(drop)), "{name:?} in {place:?}");
            assert!(refused(files.append(name, text("x")).await), "{name:?} in {place:?}");
            assert!(refused(files.replace(name, text("x")).await), "{name:?} in {place:?}");
            assert!(refused(files.truncate(name, 0).await), "{name:?} in {place:?}");
            assert!(refused(files.remove_folder(name).await), "{name:?} in {place:?}");
        }
    }
}
