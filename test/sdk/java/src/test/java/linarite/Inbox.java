package linarite;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What came on the SDK's threads, in order, until a test takes it. */
final class Inbox<T> {
    private final BlockingQueue<T> items = new LinkedBlockingQueue<>();

    void put(T item) {
        items.add(item);
    }

    /** Removes the oldest item; waits for it. */
    T take() {
        try {
            T item = items.poll(Hub.DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
            if (item == null) {
                throw new AssertionError("nothing came");
            }
            return item;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Removes the oldest items; waits for them. */
    List<T> take(int count) {
        List<T> taken = new ArrayList<>();
        while (taken.size() < count) {
            taken.add(take());
        }
        return taken;
    }
}
