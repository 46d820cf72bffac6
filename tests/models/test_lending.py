"""What is lent: made once for each make, to one borrower at a time."""

import threading

from models.lending import KEPT, Lender


def test_a_thing_is_made_once_and_lent_again():
    made = []
    lender = Lender(lambda *make: made.append(make) or [make])
    with lender.borrow(1, "a") as first:
        first.append("mine")
    with lender.borrow(1, "a") as again, lender.borrow(2, "a") as other:
        assert again is first
        assert again is not other
    assert made == [(1, "a"), (2, "a")]


def test_the_one_not_asked_for_longest_is_made_anew():
    made = []
    lender = Lender(made.append)
    for make in (*range(KEPT), 0, KEPT, 0, 1):
        with lender.borrow(make):
            pass
    assert made == [*range(KEPT), KEPT, 1]


def test_a_second_borrower_waits_for_the_first():
    lender, order = Lender(list), []
    held, release = threading.Event(), threading.Event()

    def first():
        with lender.borrow():
            held.set()
            release.wait()
            order.append("first")

    def second():
        with lender.borrow():
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    held.wait()
    threads[1].start()
    threads[1].join(0.05)
    assert order == []
    release.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]
