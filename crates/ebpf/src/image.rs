//! A compiled object inside our own program.

/// The bytes of an object file. [`image!`](crate::image!) makes one.
#[derive(Debug, Clone, Copy)]
pub struct Image {
    bytes: &'static [u8],
}

impl Image {
    #[doc(hidden)]
    pub const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn bytes(&self) -> &'static [u8] {
        self.bytes
    }
}

/// Takes an object file into the program, placed so that its fields can be read where they lie. The path is relative
/// to the file that says it.
#[macro_export]
macro_rules! image {
    ($path:literal) => {{
        #[repr(C)]
        struct Aligned<B: ?Sized> {
            align: [u64; 0],
            bytes: B,
        }
        static OBJECT: &Aligned<[u8]> = &Aligned { align: [], bytes: *include_bytes!($path) };
        let _: [u64; 0] = OBJECT.align;
        $crate::Image::new(&OBJECT.bytes)
    }};
}
