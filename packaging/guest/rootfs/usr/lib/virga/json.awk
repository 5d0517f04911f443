# Flattens a JSON document into lines PATH<tab>VALUE. Path parts are joined by
# "/", array elements are numbered from 0. In values (and names) a backslash, a
# newline and a tab are written \\ \n \t, so that `printf %b` gives them back.
# Ends with status 1 when the document is not well-formed.

{ text = text $0 "\n" }

END {
	if (!value("") || (skip() && text != "")) exit 1
}

function skip() {
	sub(/^[ \t\r\n]+/, "", text)
	return 1
}

function take(char) {
	skip()
	if (substr(text, 1, 1) != char) return 0
	text = substr(text, 2)
	return 1
}

function join(path, name) {
	return path == "" ? name : path "/" name
}

function value(path,    first) {
	skip()
	first = substr(text, 1, 1)
	if (first == "{") return object(path)
	if (first == "[") return array(path)
	if (first == "\"") {
		if (!string()) return 0
		print path "\t" token
		return 1
	}
	if (!match(text, /^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) return 0
	print path "\t" substr(text, 1, RLENGTH)
	text = substr(text, RLENGTH + 1)
	return 1
}

function object(path,    name) {
	take("{")
	if (take("}")) return 1
	do {
		skip()
		if (!string()) return 0
		name = token
		if (!take(":") || !value(join(path, name))) return 0
	} while (take(","))
	return take("}")
}

function array(path,    index_) {
	take("[")
	if (take("]")) return 1
	index_ = 0
	do {
		if (!value(join(path, index_++))) return 0
	} while (take(","))
	return take("]")
}

# Reads a string into token.
function string(    raw, at, out) {
	if (!match(text, /^"[^"\\]*(\\.[^"\\]*)*"/)) return 0
	raw = substr(text, 2, RLENGTH - 2)
	text = substr(text, RLENGTH + 1)
	gsub(/\t/, "\\t", raw)
	out = ""
	while ((at = index(raw, "\\")) > 0) {
		out = out substr(raw, 1, at - 1)
		raw = substr(raw, at)
		if (substr(raw, 2, 1) == "u") {
			out = out unicode(substr(raw, 3, 4), substr(raw, 7, 6))
			raw = substr(raw, 7 + surrogate)
		} else {
			out = out escape(substr(raw, 2, 1))
			raw = substr(raw, 3)
		}
	}
	token = out raw
	return 1
}

function escape(char) {
	if (char == "n") return "\\n"
	if (char == "t") return "\\t"
	if (char == "\\") return "\\\\"
	if (char == "r" || char == "b" || char == "f") return ""
	return char
}

# Turns \uXXXX, with a low surrogate in following, into UTF-8; surrogate tells
# how many characters of following were used.
function unicode(digits, following,    code, low) {
	code = hex(digits)
	surrogate = 0
	if (code >= 55296 && code < 56320 && substr(following, 1, 2) == "\\u") {
		low = hex(substr(following, 3))
		code = 65536 + (code - 55296) * 1024 + (low - 56320)
		surrogate = 6
	}
	if (code == 9) return "\\t"
	if (code == 10) return "\\n"
	if (code == 92) return "\\\\"
	if (code < 32) return ""
	if (code < 128) return sprintf("%c", code)
	if (code < 2048) return octal(192 + int(code / 64)) octal(128 + code % 64)
	if (code < 65536) return octal(224 + int(code / 4096)) octal(128 + int(code / 64) % 64) octal(128 + code % 64)
	return octal(240 + int(code / 262144)) octal(128 + int(code / 4096) % 64) octal(128 + int(code / 64) % 64) octal(128 + code % 64)
}

# A byte as `printf %b` reads it: not every awk can print bytes above 127.
function octal(byte) {
	return sprintf("\\0%03o", byte)
}

function hex(digits,    i, sum) {
	sum = 0
	for (i = 1; i <= length(digits); i++)
		sum = sum * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
	return sum
}
