# Makes the certificates of tests/tls.rs in the current directory. Each name says what is good or wrong about it.
set -e
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
root() { key "$1"; openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 30 -out "$1.crt"; }
signed() { # name, issuer, common name, extensions, further options
  name=$1 issuer=$2; key "$name"
  openssl req -new -key "$name.key" -subj "/CN=$3" -out "$name.csr"
  printf '%b' "$4" >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -CAcreateserial -days ${5:-30} \
    ${4:+-extfile "$name.ext"} -out "$name.crt" 2>&1
}
names='subjectAltName=DNS:localhost,IP:127.0.0.1\n'
root ca ca; root stranger stranger; root impostor ca
signed between ca between 'basicConstraints=critical,CA:TRUE\n'
signed good ca x "$names"
signed common_name ca localhost 'basicConstraints=CA:FALSE\n'
signed wrong_name ca localhost 'subjectAltName=DNS:db.example.org\n'
signed wrong_ca stranger localhost "$names"
signed expired ca localhost "$names" -1
signed version_1 ca localhost ''
signed forged impostor localhost "$names"
signed forged_version_1 impostor localhost ''
signed chained between localhost "$names"; cat between.crt >>chained.crt
signed revoked ca localhost "$names"
key self_signed; openssl req -x509 -new -key self_signed.key -subj /CN=localhost -addext "subjectAltName=DNS:localhost" -days 30 -out self_signed.crt
cat ca.crt between.crt >both.crt
: >index.txt; echo 01 >crlnumber
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\ncertificate=ca.crt\nprivate_key=ca.key\n' >ca.cnf
openssl ca -config ca.cnf -revoke revoked.crt; openssl ca -config ca.cnf -gencrl -out revoked.crl
signed client ca client 'basicConstraints=CA:FALSE\n'
chmod 644 -- *
