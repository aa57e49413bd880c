//! What is said of a request, and what nobody hears.

use super::*;
use crate::approval::request::tests as requests;

fn notices(channels: usize) -> (Notices, Vec<mpsc::Receiver<Notice>>) {
    let (mut queues, mut served) = (Vec::new(), Vec::new());
    for n in 0..channels {
        let (sender, receiver) = mpsc::channel(2);
        queues.push((format!("c{n}"), sender));
        served.push(receiver);
    }
    let line = "ssh -p 2222 bastion.example.com".to_owned();
    (Notices { queues: Arc::new(queues), line, bastion: "bastion.example.com".into(), ledger: None }, served)
}

#[test]
fn a_notice_says_who_wants_what_and_how_to_answer() {
    let (notices, mut served) = notices(1);
    let request = requests::request(1);
    assert!(notices.requested(&request, request.asked).is_empty());
    let notice = served[0].try_recv().unwrap();
    assert_eq!(notice.body["event"], "approval.requested");
    assert_eq!(notice.body["command"], "", "without a ledger nobody could mask it");
    assert_eq!(notice.body["approve"], format!("ssh -p 2222 bastion.example.com approve {}", request.id));
    assert!(notice.text.contains("alice asks for  as deploy@db1"), "{}", notice.text);
    assert!(!notice.body.to_string().contains("yes"), "its input is not told: {}", notice.body);
}

#[test]
fn a_full_queue_is_named_and_hinders_no_other() {
    let (notices, mut served) = notices(2);
    let request = requests::request(1);
    for _ in 0..2 {
        assert!(notices.requested(&request, request.asked).is_empty());
    }
    served[1].try_recv().unwrap();
    assert_eq!(notices.requested(&request, request.asked), ["c0"]);
}
