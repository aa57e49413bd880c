//! Replay by key and by time.

use bytes::Bytes;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_micros(1);

fn out(text: &str) -> Event {
    Event::Output(Stream::Stdout, Bytes::from(text.to_owned()))
}

fn err(text: &str) -> Event {
    Event::Output(Stream::Stderr, Bytes::from(text.to_owned()))
}

fn options() -> Options {
    Options { speed: 1.0, idle_limit: None, input: false, styled: false, returns: false }
}

/// A caller: plays events until something has to be waited for.
struct Show {
    events: Vec<(u64, Event)>,
    fed: usize,
    player: Player,
    now: Duration,
    printed: String,
}

impl Show {
    fn new(options: Options, events: Vec<(u64, Event)>) -> Self {
        // The caller's time has nothing to do with the recording's.
        let now = SECOND * 1000;
        Self { events, fed: 0, player: Player::new(options, now), now, printed: String::new() }
    }

    fn minute() -> Self {
        let event = |n: u64| match n {
            20 => (20, Event::Marker("held".into())),
            40 => (40, Event::Marker("approved".into())),
            n => (n, out(&format!("{n} "))),
        };
        Self::new(options(), (0..60).map(event).collect())
    }

    /// Until when it waits, or that it is over.
    fn run(&mut self) -> Act {
        loop {
            match self.player.act(self.now) {
                Act::Feed => match self.events.get(self.fed) {
                    Some((secs, event)) => {
                        self.fed += 1;
                        self.player.event(Timed { at: SECOND * *secs as u32, event: event.clone() });
                    }
                    None => self.player.end(),
                },
                Act::Print(bytes) => self.printed.push_str(std::str::from_utf8(&bytes).unwrap()),
                Act::Rewind => self.fed = 0,
                act => return act,
            }
        }
    }

    /// Goes on for so many seconds; gives what was printed.
    fn play(&mut self, secs: u32) -> String {
        let until = self.now + SECOND * secs;
        while let Act::Wait(Some(at)) = self.run() {
            if at > until + TICK {
                break;
            }
            assert!(at > self.now, "waits for nothing");
            self.now = at;
        }
        self.now = self.now.max(until);
        self.run();
        std::mem::take(&mut self.printed)
    }

    fn command(&mut self, command: Command) {
        self.player.command(command, self.now);
    }
}

#[test]
fn events_are_printed_at_their_time() {
    let mut show = Show::minute();
    assert_eq!(show.play(0), "0 ");
    assert_eq!(show.play(1), "1 ");
    assert_eq!(show.play(3), "2 3 4 ");
    assert_eq!(show.player.position(), SECOND * 4);
}

#[test]
fn it_ends_after_the_last_event() {
    let mut show = Show::new(options(), vec![(1, out("a"))]);
    assert!(matches!(show.run(), Act::Wait(Some(_))));
    assert_eq!(show.play(2), "a");
    assert_eq!(show.run(), Act::Quit);
}

#[test]
fn speed_changes_count_from_the_moment_they_are_made() {
    let mut show = Show::new(options(), vec![(0, out("a")), (10, out("b")), (20, out("c"))]);
    assert_eq!(show.play(5), "a");
    show.command(Command::Faster);
    assert_eq!(show.play(2), "");
    assert_eq!(show.play(1), "b");
    show.command(Command::Slower);
    show.command(Command::Slower);
    assert_eq!(show.play(17), "");
    assert_eq!(show.play(2), "c");
}

#[test]
fn speed_stays_within_bounds() {
    let mut show = Show::minute();
    (0..20).for_each(|_| show.command(Command::Faster));
    assert!((show.player.speed() - 64.0).abs() < 1e-9);
    (0..40).for_each(|_| show.command(Command::Slower));
    assert!((show.player.speed() - 1.0 / 16.0).abs() < 1e-9);
}

#[test]
fn pauses_are_limited_if_asked() {
    let events = vec![(0, out("a")), (3600, out("b")), (3601, out("c"))];
    let mut show = Show::new(Options { idle_limit: Some(SECOND * 5), ..options() }, events.clone());
    assert_eq!(show.play(4), "a");
    assert_eq!(show.play(1), "b");
    assert_eq!(show.play(1), "c");
    let mut show = Show::new(options(), events);
    assert_eq!(show.play(100), "a");
    show.command(Command::Idle);
    assert_eq!(show.play(2), "b");
}

#[test]
fn while_paused_nothing_is_printed_but_steps() {
    let mut show = Show::minute();
    show.play(2);
    show.command(Command::Pause);
    assert_eq!(show.run(), Act::Wait(None));
    assert_eq!(show.play(100), "");
    show.command(Command::Step);
    assert_eq!(show.play(100), "3 ");
    assert!(show.player.is_paused());
    show.command(Command::Pause);
    assert_eq!(show.play(2), "4 5 ");
}

#[test]
fn a_pause_holds_the_time_that_was_still_to_wait() {
    let mut show = Show::new(options(), vec![(0, out("a")), (10, out("b"))]);
    show.play(7);
    show.command(Command::Pause);
    show.play(100);
    show.command(Command::Pause);
    assert_eq!(show.play(2), "");
    assert_eq!(show.play(1), "b");
}

#[test]
fn seeking_forward_prints_what_lies_between_at_once() {
    let mut show = Show::minute();
    show.play(1);
    show.command(Command::Seek(SECOND * 7));
    assert_eq!(show.play(0), "2 3 4 5 6 7 ");
    assert_eq!(show.player.position(), SECOND * 7);
    assert_eq!(show.play(1), "8 ");
    show.command(Command::Forward(SECOND * 3 + SECOND / 2));
    assert_eq!(show.play(0), "9 10 11 ");
    assert_eq!(show.play(1), "12 ");
}

#[test]
fn seeking_back_begins_again_on_a_clear_screen() {
    let mut show = Show::minute();
    show.player.options.styled = true;
    show.play(10);
    show.command(Command::Back(SECOND * 7));
    let clear = String::from_utf8_lossy(CLEAR);
    assert_eq!(show.play(0), format!("{clear}0 1 2 3 "));
    assert_eq!(show.play(1), "4 ");
}

#[test]
fn seeking_works_while_paused_and_stays_paused() {
    let mut show = Show::minute();
    show.play(1);
    show.command(Command::Pause);
    show.command(Command::Seek(SECOND * 3));
    assert_eq!(show.play(50), "2 3 ");
    show.command(Command::Back(SECOND * 2));
    assert_eq!(show.play(50), "0 1 ");
}

#[test]
fn beyond_the_end_is_the_end() {
    let mut show = Show::minute();
    show.command(Command::Pause);
    show.command(Command::Seek(SECOND * 1000));
    assert!(show.play(0).ends_with("58 59 "));
    assert_eq!(show.run(), Act::Wait(None));
    show.command(Command::Back(SECOND * 10));
    assert!(show.play(0).ends_with("48 49 "));
}

#[test]
fn markers_are_reached_in_both_directions() {
    let mut show = Show::minute();
    show.play(1);
    show.command(Command::NextMarker);
    show.play(0);
    assert_eq!((show.player.position(), show.player.marker()), (SECOND * 20, Some("held")));
    show.command(Command::NextMarker);
    show.play(3);
    assert_eq!((show.player.position(), show.player.marker()), (SECOND * 43, Some("approved")));
    show.command(Command::LastMarker);
    show.play(0);
    assert_eq!(show.player.position(), SECOND * 40);
    show.command(Command::LastMarker);
    show.play(0);
    assert_eq!(show.player.position(), SECOND * 20);
    show.command(Command::LastMarker);
    assert_eq!(show.play(0), "0 ");
}

#[test]
fn text_is_found_across_events() {
    let mut show = Show::minute();
    show.play(1);
    show.command(Command::Find(b"9 30".to_vec()));
    assert!(show.play(0).ends_with("29 30 "));
    assert_eq!(show.player.position(), SECOND * 30);
    show.command(Command::Find(b"not there".to_vec()));
    assert!(show.play(0).ends_with("59 "));
    assert_eq!(show.run(), Act::Quit);
}

#[test]
fn long_jumps_are_printed_in_pieces() {
    let long = "x".repeat(10_000);
    let events: Vec<_> = (0..100).map(|n| (n, out(&long))).collect();
    let mut player = Player::new(options(), SECOND);
    player.command(Command::Seek(SECOND * 1000), SECOND);
    let (mut events, mut largest, mut total) = (events.into_iter(), 0, 0);
    loop {
        match player.act(SECOND) {
            Act::Feed => match events.next() {
                Some((secs, event)) => player.event(Timed { at: SECOND * secs, event }),
                None => player.end(),
            },
            Act::Print(bytes) => {
                largest = largest.max(bytes.len());
                total += bytes.len();
            }
            _ => break,
        }
    }
    assert_eq!(total, 1_000_000);
    assert!(largest < PRINT_BYTES + 20_000, "{largest}");
}

#[test]
fn a_player_that_was_stopped_does_not_rush_to_catch_up() {
    let mut show = Show::minute();
    show.play(1);
    show.now += SECOND * 30;
    assert_eq!(show.play(0), "2 3 ");
}

#[test]
fn standard_error_is_dimmed_and_input_shown_only_if_asked() {
    let events =
        vec![(0, out("a\n")), (0, err("b\n")), (0, Event::Input(Bytes::from_static(b"c\x03\r\n\xff"))), (0, out("d"))];
    let plain = Show::new(options(), events.clone()).play(0);
    assert_eq!(plain, "a\nb\nd");
    let styled = Options { styled: true, returns: true, input: true, ..options() };
    assert_eq!(Show::new(styled, events).play(0), "a\r\n\x1b[2mb\r\n\x1b[22m\x1b[4mc^C^M\r\n\u{fffd}\x1b[24md");
}

#[test]
fn what_is_printed_can_only_draw() {
    let events = vec![(0, out("a\x1b]0;ti")), (0, err("\x1b[6n!")), (0, out("tle\x07\x1b[31mb\x1b[6")), (0, out("nc"))];
    assert_eq!(Show::new(options(), events).play(0), "a!\x1b[31mbc");
}

#[test]
fn each_key_is_one_command() {
    let keys: [(&[u8], Command); 6] = [
        (b" ", Command::Pause),
        (b"q", Command::Quit),
        (b"\x1b[C", Command::Forward(SECOND * 5)),
        (b"\x1b[D", Command::Back(SECOND * 5)),
        (b"]", Command::NextMarker),
        (b"+", Command::Faster),
    ];
    for (key, command) in keys {
        assert_eq!(Command::of_key(key), Some(command));
    }
    assert_eq!(Command::of_key(b"z"), None);
    let mut show = Show::minute();
    show.command(Command::Quit);
    assert_eq!(show.run(), Act::Quit);
}
