//! The codes of errors.

macro_rules! codes {
    ($($name:ident $status:literal)*) => {
        /// A kind of error: every exception of the Kinesis model and those that all AWS JSON services share.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the codes are those of the AWS API reference")]
        pub enum ErrorCode {
            $($name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it is written in `__type`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }
        }
    };
}

codes! {
    // Of the Kinesis model.
    AccessDeniedException 400
    DryRunOperationException 400
    ExpiredIteratorException 400
    ExpiredNextTokenException 400
    InternalFailureException 500
    InvalidArgumentException 400
    KMSAccessDeniedException 400
    KMSDisabledException 400
    KMSInvalidStateException 400
    KMSNotFoundException 400
    KMSOptInRequired 400
    KMSThrottlingException 400
    LimitExceededException 400
    ProvisionedThroughputExceededException 400
    ResourceInUseException 400
    ResourceNotFoundException 400
    ThrottlingException 400
    ValidationException 400
    // Of every AWS JSON service.
    IncompleteSignatureException 400
    InternalFailure 500
    InvalidSignatureException 400
    MissingAuthenticationTokenException 400
    SerializationException 400
    UnknownOperationException 400
    UnrecognizedClientException 400
}
