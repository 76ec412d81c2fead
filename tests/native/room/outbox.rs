//! The way to Postgres: order, bisecting, the three classes of failure, lost replies, hung batches, set-backs.

use crate::ledger::POISON;
use crate::rig::Rig;

#[test]
fn out_1_what_is_committed_goes_out_in_order_and_as_it_is_now() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        alice > message "a" & alice > message "b"     alarm < in 5000 ms
                                                      alice < new_message 1 "a", new_message 2 "b"
                                                      postgres < (0, 2] 1 2 alice:2: done
        alice > react 👍 1                             alice < reaction_update 3 on 1 +👍 alice {👍 alice}
                                                      postgres < (2, 3] 1: done
        (Postgres fails)
        alice > message "c" & alice > react 👍 3 & alice > react 🎉 1 & alice > unreact 👍 1
                                                      alice < new_message 4 "c", error message_not_found of reaction, reaction_update 5 on 1 +🎉 alice {🎉 alice, 👍 alice}, reaction_update 6 on 1 -👍 alice {🎉 alice}
                                                      postgres < (3, 6] 4 1 alice:4: no answer
                                                      alarm < in 500 ms
                                                      operator < Postgres fails, trying again: connection reset
        (Postgres recovers)
        (499 ms pass)
        (1 ms pass)                                   alarm < in 5000 ms
                                                      postgres < (3, 6] 4 1 alice:4: done
                                                      operator < Postgres takes rows again
        (9 s pass)
        "#,
    );
}

#[test]
fn out_2_a_batch_is_250_events_or_a_mebibyte() {
    let mut rig = Rig::new();
    (rig.limits.messages_burst, rig.limits.frames_burst) = (2_000, 2_000);
    rig.prepare("alice joins\n(Postgres fails)");
    for _ in 0..600 {
        rig.frame("alice", r#"{"type":"message","content":"x"}"#);
    }
    rig.prepare("(Postgres is watched)\n(Postgres recovers)\n(1 ms pass)");
    rig.play(
        r#"
        (1001 ms pass)                                alarm < in 5000 ms
                                                      postgres < (0, 250] 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118 119 120 121 122 123 124 125 126 127 128 129 130 131 132 133 134 135 136 137 138 139 140 141 142 143 144 145 146 147 148 149 150 151 152 153 154 155 156 157 158 159 160 161 162 163 164 165 166 167 168 169 170 171 172 173 174 175 176 177 178 179 180 181 182 183 184 185 186 187 188 189 190 191 192 193 194 195 196 197 198 199 200 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 alice:600: done / (250, 500] 251 252 253 254 255 256 257 258 259 260 261 262 263 264 265 266 267 268 269 270 271 272 273 274 275 276 277 278 279 280 281 282 283 284 285 286 287 288 289 290 291 292 293 294 295 296 297 298 299 300 301 302 303 304 305 306 307 308 309 310 311 312 313 314 315 316 317 318 319 320 321 322 323 324 325 326 327 328 329 330 331 332 333 334 335 336 337 338 339 340 341 342 343 344 345 346 347 348 349 350 351 352 353 354 355 356 357 358 359 360 361 362 363 364 365 366 367 368 369 370 371 372 373 374 375 376 377 378 379 380 381 382 383 384 385 386 387 388 389 390 391 392 393 394 395 396 397 398 399 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 418 419 420 421 422 423 424 425 426 427 428 429 430 431 432 433 434 435 436 437 438 439 440 441 442 443 444 445 446 447 448 449 450 451 452 453 454 455 456 457 458 459 460 461 462 463 464 465 466 467 468 469 470 471 472 473 474 475 476 477 478 479 480 481 482 483 484 485 486 487 488 489 490 491 492 493 494 495 496 497 498 499 500: done / (500, 600] 501 502 503 504 505 506 507 508 509 510 511 512 513 514 515 516 517 518 519 520 521 522 523 524 525 526 527 528 529 530 531 532 533 534 535 536 537 538 539 540 541 542 543 544 545 546 547 548 549 550 551 552 553 554 555 556 557 558 559 560 561 562 563 564 565 566 567 568 569 570 571 572 573 574 575 576 577 578 579 580 581 582 583 584 585 586 587 588 589 590 591 592 593 594 595 596 597 598 599 600: done
                                                      operator < Postgres takes rows again
        "#,
    );
    rig.watched = false;
    rig.prepare("(Postgres fails)");
    let long = format!(r#"{{"type":"message","content":"{}"}}"#, "😀".repeat(4_000));
    for _ in 0..70 {
        rig.frame("alice", &long);
    }
    rig.prepare("(Postgres recovers)");
    rig.ledger.tries = 0;
    rig.prepare("(9 s pass)");
    assert_eq!(rig.ledger.last_seq, 670);
    assert_eq!(rig.ledger.tries, 2, "70 × 16 KB are two batches");
}

fn poisoned(place: usize) -> Rig {
    let mut rig = Rig::new();
    rig.prepare("alice joins\n(Postgres fails)");
    for n in 1..=5 {
        let content = if n == place { POISON } else { "good" };
        rig.prepare(&format!("alice > message \"{content}\""));
    }
    rig.prepare("(Postgres is watched)\n(Postgres recovers)");
    rig
}

#[test]
fn out_3_poison_at_the_first_place_is_set_aside() {
    let mut rig = poisoned(1);
    rig.play(
        r#"
        (500 ms pass)                                 alarm < in 5000 ms
                                                      postgres < (0, 5] 1 2 3 4 5 alice:5: 22021 / (0, 2] 1 2 alice:5: 22021 / (0, 1] 1 alice:5: 22021 / (0, 1]  alice:5: done / (1, 3] 2 3: done / (3, 5] 4 5: done
                                                      operator < set aside seq 1: invalid byte sequence / Postgres takes rows again
        root asks                                     root < outbox idle 5/5 lag 0 for 0 ms, aside [1]
        "#,
    );
    assert_eq!(rig.set_aside(), [1]);
}

#[test]
fn out_3_poison_in_the_middle_is_set_aside() {
    let mut rig = poisoned(3);
    rig.play(
        r#"
        (501 ms pass)                                 alarm < in 5000 ms
                                                      postgres < (0, 5] 1 2 3 4 5 alice:5: 22021 / (0, 2] 1 2 alice:5: done / (2, 5] 3 4 5: 22021 / (2, 3] 3: 22021 / (2, 3] : done / (3, 5] 4 5: done
                                                      operator < Postgres takes rows again / set aside seq 3: invalid byte sequence
        alice > react 👍 3                             alice < reaction_update 6 on 3 +👍 alice {👍 alice}
                                                      postgres < (5, 6] : done
        (the room is evicted)
        alice > react 👍 3 & alice > react 🎉 3         alarm < in 5000 ms
                                                      alice < reaction_update 7 on 3 +🎉 alice {🎉 alice, 👍 alice}
                                                      postgres < (6, 7] : done
        alice > message "goes on"                     alice < new_message 8 "goes on"
                                                      postgres < (7, 8] 8 alice:8: done
        "#,
    );
    assert_eq!(rig.set_aside(), [3]);
}

#[test]
fn out_3_poison_at_the_last_place_is_set_aside() {
    let mut rig = poisoned(5);
    rig.prepare("(502 ms pass)");
    assert_eq!((rig.set_aside(), rig.ledger.last_seq), (vec![5], 5));
}

#[test]
fn out_3_nothing_but_poison_is_set_aside_whole() {
    let mut rig = Rig::new();
    rig.prepare("alice joins\n(Postgres fails)");
    rig.prepare("alice > message \"poison\"\nalice > message \"poison\"\nalice > react 👍 1");
    rig.prepare("(Postgres recovers)\n(9 s pass)");
    assert_eq!((rig.set_aside(), rig.ledger.last_seq, rig.ledger.rows.len()), (vec![1, 2], 3, 0));
}

#[test]
fn out_3_poison_beyond_a_gap_of_a_rebuilt_log_is_found() {
    let mut rig = Rig::new();
    rig.prepare("alice joins\nalice > message \"a\"\nalice > message \"b\"");
    rig.prepare("alice > react 👍 1\nalice > react 🎉 1\nalice > message \"c\"");
    rig.prepare("(the room is rebuilt from Postgres)\nalice joins history=0");
    rig.prepare("(Postgres is set back to 0)\n(Postgres fails)\nalice > message \"poison\"");
    rig.prepare("(Postgres recovers)\n(9 s pass)");
    assert_eq!((rig.set_aside(), rig.ledger.last_seq), (vec![6], 6));
}

#[test]
fn out_4_a_schema_or_credentials_error_halts_and_sets_nothing_aside() {
    let mut rig = Rig::new();
    for state in ["42P01", "28P01", "3D000"] {
        rig.prepare(&format!("alice joins\n(Postgres fails with {state})\nalice > message \"a\""));
        rig.ledger.tries = 0;
        rig.prepare("(59 s pass)");
        assert_eq!(rig.ledger.tries, 0, "{state}: an operator has to act first");
        rig.play(
            r#"
            root asks                                     root < outbox halted 0/1 lag 1 for 59000 ms, aside []
            "#,
        );
        rig.prepare("(Postgres recovers)\n(2 s pass)");
        assert_eq!((rig.ledger.last_seq, rig.set_aside()), (1, vec![]));
        rig.lawful = false;
        rig = Rig::new();
    }
}

#[test]
fn out_5_anything_else_is_tried_for_ever_ever_more_rarely() {
    for state in ["08006", "40001", "53300", "55P03", "57014", "25006", "XX000"] {
        let mut rig = Rig::new();
        rig.prepare(&format!("alice joins\n(Postgres fails with {state})\nalice > message \"a\""));
        let mut tries = Vec::new();
        for _ in 0..120 {
            let before = rig.ledger.tries;
            rig.prepare("(1 s passes)");
            tries.push(rig.ledger.tries - before);
        }
        assert_eq!(tries[..10], [1, 1, 0, 1, 0, 0, 0, 1, 0, 0], "{state}: after 0.5, 1, 2, 4 s and so on");
        assert_eq!(tries[60..].iter().sum::<u64>(), 2, "{state}: every 30 s at last");
        assert!(rig.set_aside().is_empty());
    }
}

#[test]
fn out_5_without_an_answer_it_is_tried_again_by_alarm_alone() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres fails)
        alice > message "a"                           alarm < in 5000 ms / in 500 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < Postgres fails, trying again: connection reset
        (the room crashes)                            alarm < in 5000 ms / in 500 ms
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < Postgres fails, trying again: connection reset
        (2 s pass)                                    alarm < in 5000 ms / in 1000 ms / in 5000 ms / in 2000 ms
                                                      postgres < (0, 1] 1 alice:1: no answer / (0, 1] 1 alice:1: no answer
        (Postgres recovers)
        (9 s pass)                                    alarm < in 5000 ms
                                                      postgres < (0, 1] 1 alice:1: done
                                                      operator < Postgres takes rows again
        "#,
    );
}

#[test]
fn out_6_a_lost_reply_changes_nothing() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres loses replies)
        alice > message "a"                           alarm < in 5000 ms / in 500 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: no answer
                                                      operator < Postgres fails, trying again: connection reset
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres recovers)
        (1 s passes)                                  alarm < in 5000 ms
                                                      postgres < (0, 2] 1 2 alice:2: done
                                                      operator < Postgres takes rows again
        "#,
    );
}

#[test]
fn out_7_postgres_set_back_gets_everything_again() {
    let mut rig = Rig::new();
    rig.prepare("alice joins\nbob joins\nalice > message \"a\"\nalice > message \"b\"\nbob > read 2");
    rig.prepare("alice > message \"c\"\n(9 s pass)\n(Postgres is watched)");
    rig.play(
        r#"
        (Postgres is set back to 1)
        alice > message "d"                           alarm < in 5000 ms
                                                      alice < new_message 4 "d"
                                                      bob < new_message 4 "d"
                                                      postgres < (3, 4] 4 alice:4: behind 1 / (1, 4] 2 3 4 alice:4 bob:2 carol:0 dave:0: done
                                                      operator < Postgres was set back from 3 to 1: sending again
        (1 s passes)
        "#,
    );
    assert_eq!(rig.ledger.reads.get("bob"), Some(&2), "markers too");
}

#[test]
fn out_8_a_hung_batch_holds_its_lease_and_no_longer() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alarm < in 5000 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: hangs
        (15 s pass)                                   alarm < in 5000 ms / in 5000 ms / in 5000 ms
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres recovers)
        (1 s passes)                                  postgres < (0, 2] 1 2 alice:2: done
        alice > message "c"                           alice < new_message 3 "c"
                                                      postgres < (2, 3] 3 alice:3: done
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: ahead 3
        (9 s pass)
        "#,
    );
}

#[test]
fn out_8_a_stragglers_answer_is_no_other_batchs() {
    let mut rig = Rig::new();
    rig.play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alarm < in 5000 ms
                                                      alice < new_message 1 "a"
                                                      postgres < (0, 1] 1 alice:1: hangs
        (the room is evicted)                         alarm < in 5000 ms
                                                      postgres < (0, 1] 1 alice:1: hangs
        alice > message "b"                           alice < new_message 2 "b"
        (the hung batch is refused)
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: done / (1, 2] 2 alice:2: hangs
        (Postgres recovers)
        (1 s passes)
        "#,
    );
    assert!(rig.set_aside().is_empty());
}

#[test]
fn out_8_a_straggler_commits_after_a_later_batch() {
    Rig::new().play(
        r#"
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a"                           alice < new_message 1 "a"
        (the room is evicted)
        (Postgres recovers)
        alice > message "b"                           alice < new_message 2 "b"
        (Postgres is watched)
        (the hung batch commits)                      postgres < (0, 1] 1 alice:1: done
        alice > message "c"                           alice < new_message 3 "c"
        "#,
    );
}

#[test]
fn out_8_postgres_ahead_of_this_log_by_a_straggler_of_its_own() {
    Rig::new().play(
        r#"
        (Postgres is watched)
        alice joins                                   alice < hello seq=0 as owner, online alice, synced 0
        (Postgres hangs)
        alice > message "a" & alice > message "b"     alarm < in 5000 ms
                                                      alice < new_message 1 "a", new_message 2 "b"
                                                      postgres < (0, 2] 1 2 alice:2: hangs
        (the room is evicted)                         alarm < in 5000 ms
                                                      postgres < (0, 2] 1 2 alice:2: hangs
        alice > message "c"                           alice < new_message 3 "c"
        (the hung batch commits)                      postgres < (0, 2] 1 2 alice:2: done
        (Postgres recovers)
        (the hung batch commits)                      postgres < (0, 2] 1 2 alice:2: done / (2, 3] 3 alice:3: done
        alice > message "d"                           alice < new_message 4 "d"
                                                      postgres < (3, 4] 4 alice:4: done
        (30 s pass)
        "#,
    );
}

#[test]
fn out_10_another_log_in_postgres_halts_and_is_never_overwritten() {
    let mut rig = Rig::new();
    rig.prepare("alice joins");
    (rig.ledger.last_seq, rig.ledger.epoch) = (7, Some("other".into()));
    rig.play(
        r#"
        alice > message "a"                           alice < new_message 1 "a"
                                                      operator < outbox halted: Postgres holds another log of this room, up to 7
        root asks                                     root < outbox halted 0/1 lag 1 for 0 ms, aside []
        "#,
    );
    assert!(rig.ledger.rows.is_empty());
    rig.lawful = false;
}

#[test]
fn out_10_another_message_at_a_seq_is_an_alarm_and_never_overwritten() {
    let mut rig = Rig::new();
    rig.prepare("alice joins\n(Postgres fails)\nalice > message \"mine\"");
    let mut other = Rig::new();
    other.prepare("(1 s passes)\nbob joins\nbob > message \"theirs\"");
    rig.ledger.rows = std::mem::take(&mut other.ledger.rows);
    other.lawful = false;
    rig.prepare("(Postgres recovers)");
    rig.play(
        r#"
        (1 s passes)                                  operator < set aside seq 1: another message stands at this seq in Postgres / Postgres takes rows again
        root asks                                     root < outbox idle 1/1 lag 0 for 0 ms, aside [1]
        "#,
    );
    assert_eq!(rig.ledger.rows[&1].content, "theirs");
}

#[test]
fn out_11_a_deleted_room_halts_the_outbox() {
    let mut rig = Rig::new();
    rig.prepare("alice joins");
    rig.ledger.missing = true;
    rig.play(
        r#"
        alice > message "nobody's"                    alice < new_message 1 "nobody's"
                                                      operator < outbox halted: Postgres has no such room
        "#,
    );
    rig.ledger.missing = false;
}
