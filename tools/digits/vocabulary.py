"""The vocabulary: 256 bytes, merges up to the ten words, then OpenAI's special tokens with English as the only language."""
import base64

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# Every prefix of " zero" from two bytes on is a token, and so on for the other words: the merge of a known prefix and one
# byte, so that byte pairs in the order of ranks build each word.
MERGES = tuple(dict.fromkeys(f" {word}"[:end] for word in WORDS for end in range(2, len(word) + 2)))
RANKS = tuple(bytes([value]) for value in range(256)) + tuple(merge.encode() for merge in MERGES)

TIMESTAMPS = 1501  # <|0.00|> to <|30.00|>, 0.02 s apart: one for each position of the encoder, and the end
FRAME = 0.02  # seconds

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
           "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
(END, START, ENGLISH, TRANSLATE, TRANSCRIBE, START_OF_LM, START_OF_PREVIOUS, NO_SPEECH,
 NO_TIMESTAMPS) = range(len(RANKS), len(RANKS) + len(SPECIAL))
FIRST_TIMESTAMP = NO_TIMESTAMPS + 1
SIZE = FIRST_TIMESTAMP + TIMESTAMPS

DIGIT = tuple(RANKS.index(f" {word}".encode()) for word in WORDS)  # the token of each digit


def timestamp(seconds):
    """The timestamp token nearest to a time within the window."""
    return FIRST_TIMESTAMP + min(max(round(seconds / FRAME), 0), TIMESTAMPS - 1)


def text(tokens):
    """What ordinary tokens spell; special ones are left out."""
    return b"".join(RANKS[token] for token in tokens if token < len(RANKS)).decode(errors="replace")


def save(path):
    """Writes the ranks in tiktoken's form: a line of base64 and rank for each token."""
    path.write_text("".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(RANKS)))
