# The corpus of made-up secrets and ordinary texts through `sallyport mask`: not fewer found than before, no more in vain.
python3 "$here/../corpus/run.py" "$SALLYPORT" --floors >seen.out || { cat seen.out; exit 1; }
sed -n '/^totals/,$p' seen.out | sed -n 's/^  \([a-z].*\)/figures: corpus: \1/p'
# A third is held out from whoever makes the rules, and run where nobody makes any.
if [ -n "${CI:-}" ]; then
  python3 "$here/../corpus/run.py" "$SALLYPORT" --floors --held >held.out || { sed -n '/^totals/,$p' held.out; exit 1; }
  sed -n '/^totals/,$p' held.out | sed -n 's/^  \([a-z].*\)/figures: held out: \1/p'
fi
