//! What is encoded is decoded; nothing grows beyond its limit; what is broken is told.

use bytes::Bytes;
use corten_net::codec::{DecodeError, Encoding, Level, decode, decode_with, encode};
use proptest::prelude::*;

fn all(encoding: Encoding, body: &Bytes, limit: usize) -> Result<Vec<u8>, DecodeError> {
    // In small parts, as a network gives them.
    decode(encoding, body.chunks(7).map(Bytes::copy_from_slice), limit, &mut |_| true)
}

fn text(len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()).take(len).collect()
}

#[test]
fn the_limit_is_exact_for_every_encoding() {
    for encoding in Encoding::ALL {
        for body in [text(300_000), vec![0; 300_000]] {
            let encoded = encode(encoding, Level::Default, body.chunks(1000)).unwrap();
            assert_eq!(all(encoding, &encoded, body.len()).as_ref(), Ok(&body), "{encoding:?}");
            let limit = body.len() - 1;
            assert_eq!(all(encoding, &encoded, limit), Err(DecodeError::TooLarge { limit }), "{encoding:?}");
        }
    }
}

#[test]
fn a_body_that_is_cut_short_is_broken() {
    let body = text(200_000);
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::Identity) {
        let encoded = encode(encoding, Level::Default, [&body[..]]).unwrap();
        for cut in [1, 3, 5, 9, encoded.len() / 2, encoded.len() - 12] {
            let found = all(encoding, &encoded.slice(..encoded.len() - cut), 1 << 20);
            assert!(
                matches!(found, Err(DecodeError::Broken { .. })),
                "{encoding:?} without {cut}: {:?}",
                found.map(|body| body.len())
            );
        }
    }
}

#[test]
fn several_members_are_one_body() {
    for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::SnappyFramed, Encoding::Lz4] {
        let members = [b"a".as_slice(), b"", b"bc"].map(|part| encode(encoding, Level::Default, [part]).unwrap());
        let found = all(encoding, &members.concat().into(), 3);
        assert_eq!(found.as_deref(), Ok(&b"abc"[..]), "{encoding:?}");
    }
}

#[test]
fn the_caller_is_asked_before_memory_is_taken() {
    let body = vec![0; 10 << 20];
    for encoding in Encoding::ALL {
        let encoded = encode(encoding, Level::Default, [&body[..]]).unwrap();
        let mut asked = Vec::new();
        let found = decode(encoding, [encoded], body.len(), &mut |size| {
            asked.push(size);
            size <= 1 << 20
        });
        assert_eq!(found, Err(DecodeError::NotAdmitted), "{encoding:?}");
        assert!(asked.is_sorted() && asked.last().is_some_and(|size| *size > 1 << 20));
    }
}

#[test]
fn a_snappy_block_that_promises_too_much_is_broken() {
    // A length of 100 MiB, and nothing behind it.
    let promise = Bytes::from_static(&[0x80, 0x80, 0x80, 0x32, 0]);
    assert!(matches!(all(Encoding::Snappy, &promise, 1 << 30), Err(DecodeError::Broken { .. })));
    assert!(matches!(all(Encoding::Snappy, &promise, 1 << 20), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn levels_are_those_of_the_encoding() {
    assert!(Encoding::Gzip.has_level(-1) && Encoding::Gzip.has_level(9) && !Encoding::Gzip.has_level(10));
    assert!(Encoding::Zstd.has_level(11) && !Encoding::Zstd.has_level(0) && !Encoding::Snappy.has_level(1));
    let body = text(100_000);
    for level in [-2, -1, 0, 1, 9] {
        let encoded = encode(Encoding::Gzip, Level::Exact(level), [&body[..]]).unwrap();
        assert_eq!(all(Encoding::Gzip, &encoded, body.len()).unwrap(), body, "{level}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(body in proptest::collection::vec(any::<u8>(), 0..5000), which in 0..Encoding::ALL.len()) {
        let encoding = Encoding::ALL[which];
        let encoded = encode(encoding, Level::Default, body.chunks(100)).unwrap();
        prop_assert_eq!(all(encoding, &encoded, body.len()), Ok(body));
    }

    #[test]
    fn noise_never_panics_and_never_grows(noise in proptest::collection::vec(any::<u8>(), 0..500), which in 0..Encoding::ALL.len(), flip in any::<prop::sample::Index>()) {
        let encoding = Encoding::ALL[which];
        let limit = 10_000;
        if let Ok(found) = all(encoding, &noise.clone().into(), limit) {
            prop_assert!(found.len() <= limit);
        }
        let mut damaged = encode(encoding, Level::Default, [&noise[..]]).unwrap().to_vec();
        if !damaged.is_empty() {
            let at = flip.index(damaged.len());
            damaged[at] ^= 0x55;
        }
        if let Ok(found) = all(encoding, &damaged.into(), limit) {
            prop_assert!(found.len() <= limit);
        }
    }
}

#[test]
fn a_gzip_header_may_say_more_than_it_must() {
    use std::io::Write;
    let builder = || flate2::GzBuilder::new().extra([7; 300]).filename("spans").comment("of today").mtime(1);
    let mut writer = builder().write(Vec::new(), flate2::Compression::best());
    writer.write_all(b"hello").unwrap();
    let mut whole = writer.finish().unwrap();
    assert_eq!(all(Encoding::Gzip, &whole.clone().into(), 5).as_deref(), Ok(&b"hello"[..]));
    // The header's own checksum, which no common writer sets: two bytes behind it.
    let end = 10 + 2 + 300 + "spans\0".len() + "of today\0".len();
    whole[3] |= 1 << 1;
    let mut sum = flate2::Crc::new();
    sum.update(&whole[..end]);
    whole.splice(end..end, (sum.sum() as u16).to_le_bytes());
    assert_eq!(all(Encoding::Gzip, &whole.clone().into(), 5).as_deref(), Ok(&b"hello"[..]));
    whole[end] ^= 1;
    assert!(matches!(all(Encoding::Gzip, &whole.into(), 5), Err(DecodeError::Broken { .. })));
}

#[test]
fn members_are_counted_and_states_survive_what_is_broken() {
    let body = text(100_000);
    let gzip = encode(Encoding::Gzip, Level::Default, [&body[..]]).unwrap();
    let two = Bytes::from([&gzip[..], &gzip[..]].concat());
    let members = |body: &Bytes| {
        decode_with(Encoding::Gzip, [body.clone()], 1 << 20, &mut |_| true, |body, members| (body.len(), members))
            .unwrap()
    };
    assert_eq!((members(&gzip), members(&two)), ((body.len(), 1), (2 * body.len(), 2)));
    // The second's end is what the first's would be, and the other way round.
    let empty = encode(Encoding::Gzip, Level::Default, [&b""[..]]).unwrap();
    for (first, second) in [(&empty, &gzip), (&gzip, &empty)] {
        assert_eq!(members(&[&first[..], &second[..]].concat().into()), (body.len(), 2));
    }
    for encoding in [Encoding::Gzip, Encoding::Zlib, Encoding::Zstd] {
        let good = encode(encoding, Level::Default, [&body[..]]).unwrap();
        for cut in [10, good.len() / 2] {
            assert!(all(encoding, &good.slice(..cut), 1 << 20).is_err());
            let large = vec![1; 1 << 20];
            let large_encoded = encode(encoding, Level::Default, [&large[..]]).unwrap();
            assert!(all(encoding, &large_encoded, 1 << 10).is_err(), "too large, given up in the middle");
            assert_eq!(all(encoding, &good, body.len()).as_ref(), Ok(&body), "{encoding:?}");
            assert_eq!(all(encoding, &large_encoded, 1 << 20), Ok(large), "{encoding:?}");
        }
    }
    let mut wrong = gzip.to_vec();
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    assert!(matches!(all(Encoding::Gzip, &wrong.into(), 1 << 20), Err(DecodeError::Broken { .. })));
}

#[test]
fn the_size_that_gzip_announces_is_asked_for_but_not_believed() {
    let body = text(100_000);
    let gzip = encode(Encoding::Gzip, Level::Default, [&body[..]]).unwrap();
    let mut asked = Vec::new();
    let refused = decode(Encoding::Gzip, [gzip.clone()], 1 << 20, &mut |size| {
        asked.push(size);
        false
    });
    assert_eq!((refused, &asked[..]), (Err(DecodeError::NotAdmitted), &[body.len()][..]));
    for lie in [0u32, 99_999, 100_001, 1 << 20, u32::MAX] {
        let mut wrong = gzip.to_vec();
        let at = wrong.len() - 4;
        wrong[at..].copy_from_slice(&lie.to_le_bytes());
        assert!(all(Encoding::Gzip, &wrong.into(), 2 << 20).is_err(), "{lie}");
    }
    let behind = [&gzip[..], b"more"].concat();
    assert!(all(Encoding::Gzip, &behind.into(), 1 << 20).is_err());
    // Larger than what a thread keeps.
    let large = text(3_000_000);
    let gzip = encode(Encoding::Gzip, Level::Default, [&large[..]]).unwrap();
    assert_eq!(all(Encoding::Gzip, &gzip, large.len()).as_ref(), Ok(&large));
    assert_eq!(all(Encoding::Gzip, &gzip, large.len() - 1), Err(DecodeError::TooLarge { limit: large.len() - 1 }));
}
