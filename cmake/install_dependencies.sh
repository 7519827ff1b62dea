# Installs what a script needs and the machine lacks. To be sourced by bash:
#   install_dependencies NEED...    needs: compiler clang cmake eigen zlib catch2 clang-format python
#   eigen_include                   prints the folder that holds Eigen's headers

say() { printf '== %s\n' "$*"; }

eigen_include() {
  local folder
  for folder in ${EIGEN3_INCLUDE_DIR:-} /usr/include/eigen3 /usr/local/include/eigen3 /opt/homebrew/include/eigen3; do
    [ -e "$folder/Eigen/Core" ] && { echo "$folder"; return; }
  done
  return 1
}

has_header() { # has_header NAME: the compiler finds <NAME>
  echo "#include <$1>" | "${CXX:-c++}" -x c++ -E - -I /opt/homebrew/include >/dev/null 2>&1
}

# The compiler that new build folders take: the caller's, else the system's where it is new enough, else one by name.
choose_compiler() {
  [ -n "${CXX:-}" ] && return
  local compiler
  for compiler in c++ g++ g++-14 g++-13 g++-12 clang++ clang++-18 clang++-16 clang++-15 clang++-14; do
    if echo 'int main() {}' | "$compiler" -x c++ -std=c++20 - -o /dev/null 2>/dev/null && new_enough "$compiler"; then
      [ "$compiler" = c++ ] || export CXX=$compiler
      return
    fi
  done
  return 1
}

new_enough() { # g++ 12, clang++ 14 or Apple's clang 15
  echo '#ifdef __apple_build_version__
static_assert(__clang_major__ >= 15);
#elif defined(__clang__)
static_assert(__clang_major__ >= 14);
#else
static_assert(__GNUC__ >= 12);
#endif' | "$1" -std=c++17 -x c++ -fsyntax-only - 2>/dev/null
}

has() { # has NEED
  case $1 in
    compiler) choose_compiler && command -v make >/dev/null ;;
    clang) echo 'int main() {}' | clang++ -x c++ -fsanitize=address - -o /dev/null 2>/dev/null ;;
    cmake | clang-format) command -v "$1" >/dev/null ;;
    eigen) eigen_include >/dev/null ;;
    zlib) has_header zlib.h ;;
    catch2) has_header catch2/catch_all.hpp || has_header catch2/catch.hpp ;;
    python) command -v python3 >/dev/null ;;
  esac
}

packages() { # packages MANAGER NEED: what the manager calls the need
  case $1:$2 in
    apt-get:compiler)
      # Ubuntu 22.04 has g++ 11 under the plain name.
      apt-cache policy g++ | grep -qE 'Candidate: (4:)?([1-9]|1[01])\.' && echo g++-12 make || echo g++ make ;;
    apt-get:clang) echo clang ;;
    apt-get:eigen) echo libeigen3-dev ;;
    apt-get:zlib) echo zlib1g-dev ;;
    apt-get:python) echo python3 ;;
    dnf:compiler) echo gcc-c++ make ;;
    dnf:clang) echo clang libasan libubsan ;;
    dnf:eigen) echo eigen3-devel ;;
    dnf:zlib) echo zlib-devel ;;
    dnf:catch2) echo catch-devel ;;
    dnf:clang-format) echo clang-tools-extra ;;
    dnf:python) echo python3 ;;
    brew:compiler | brew:clang) echo llvm ;;
    *) echo "$2" ;;
  esac
}

install_dependencies() {
  local need missing=() names=() manager prefix=()
  for need in "$@"; do has "$need" || missing+=("$need"); done
  [ ${#missing[@]} -eq 0 ] && return
  say "missing: ${missing[*]}"

  for manager in apt-get dnf brew none; do command -v $manager >/dev/null && break; done
  if [ $manager = none ]; then
    echo "No apt-get, dnf or brew here: please install ${missing[*]} and run this again." >&2
    return 1
  fi
  if [ $manager != brew ] && [ "$(id -u)" -ne 0 ]; then
    prefix=(sudo)
    if ! sudo -n true 2>/dev/null; then
      for need in "${missing[@]}"; do names+=($(packages $manager "$need")); done
      [ $manager = apt-get ] && printf 'sudo apt-get update && ' >&2
      echo "sudo $manager install -y ${names[*]}" >&2
      echo "Installing needs root: please run the line above, then this script again." >&2
      return 1
    fi
  fi

  if [ $manager = apt-get ]; then
    say "apt-get update"
    "${prefix[@]}" apt-get update -qq || say "apt-get update failed; going on with the lists that are here"
  fi
  for need in "${missing[@]}"; do names+=($(packages $manager "$need")); done
  say "$manager install ${names[*]}"
  if [ $manager = brew ]; then
    brew install "${names[@]}"
  else
    "${prefix[@]}" env DEBIAN_FRONTEND=noninteractive $manager install -y "${names[@]}" >/dev/null
  fi || { echo "Installing ${names[*]} failed." >&2; return 1; }

  # Catch2 may be missing: CMake downloads it then.
  for need in "${missing[@]}"; do
    has "$need" || [ "$need" = catch2 ] || { echo "$need is still missing after the installation." >&2; return 1; }
  done
}
