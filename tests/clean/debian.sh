# Sourced with a directory, or none: a clean Debian 12 in $root, and $tree, where this is.
#
# Needs root and debootstrap. Makes a root directory with python3 and gcc and nothing else.
# How this machine reaches its mirrors and package index is copied in: apt's, pip's and the
# resolver's configuration, the certificate authorities, and PIP_INDEX_URL. With DIRECTORY the
# Debian there is used again, or made and kept.
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if (($(id -u))); then
	echo "$0: needs root" >&2
	exit 2
fi
if [[ -z ${VMEMU_CLEAN-} ]]; then # its mounts end with it
	VMEMU_CLEAN=1 exec unshare --mount "$0" "$@"
fi

if (($#)); then
	mkdir -p "$1"
	root=$(cd "$1" && pwd)
else
	root=$(mktemp -d)
	trap 'umount "$root/proc" || true; rm -rf --one-file-system "$root"' EXIT
fi
if [[ ! -e $root/usr/bin/python3 ]]; then
	debootstrap --variant=minbase --include=python3,gcc,libc6-dev,ca-certificates \
		bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}"
	chroot "$root" useradd --create-home user
fi
mount -t proc proc "$root/proc"

for file in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d \
	/etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
	if [[ -e $file ]]; then
		rm -rf "${root:?}$file"
		cp -rL "$file" "$root$file"
	fi
done

as() { # USER COMMAND: run by a shell there in the user's home; the caller's environment stays out
	local home
	home=$(chroot "$root" sh -c "echo ~$1")
	chroot "$root" env -i HOME="$home" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} \
		setpriv --reuid="$1" --regid="$1" --init-groups --no-new-privs \
		sh -c "cd && $2" </dev/null
}

clone() { # USER: HEAD of this tree, in "clean vmemu" of the user's home
	local home
	home=$(chroot "$root" sh -c "echo ~$1")
	rm -rf "$root$home/clean vmemu" "$root$home/.cache"
	git clone --quiet --no-hardlinks "$tree" "$root$home/clean vmemu"
	chroot "$root" chown -R "$1:" "$home"
}
