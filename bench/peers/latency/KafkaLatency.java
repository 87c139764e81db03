// Kafka by its own client, as load.mjs does it for others: records one by one at the times of a
// timetable, and as JSON how long each took from when it was due until each consumer had it. A
// consumer is a thread. Run from its source: java -cp JARS KafkaLatency.java PORT RATE RECORDS
// WARM_UP SUBSCRIBERS PAYLOAD.
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class KafkaLatency {
  private static final String TOPIC = "bench";
  private static final long LEAD_NANOS = 100_000_000;
  private static final long LATE_NANOS = 50_000;

  private final String server;
  private final double rate;
  private final int records;
  private final int warmUp;
  private final String payload;
  private final CountDownLatch subscribed;
  private volatile long start;

  private KafkaLatency(String[] arguments) {
    server = "127.0.0.1:" + arguments[0];
    rate = Double.parseDouble(arguments[1]);
    records = Integer.parseInt(arguments[2]);
    warmUp = Integer.parseInt(arguments[3]);
    subscribed = new CountDownLatch(Integer.parseInt(arguments[4]));
    payload = arguments[5];
  }

  private long dueAt(long record) {
    return start + (long) (record / rate * 1e9);
  }

  /** The times of one subscriber, in nanoseconds. */
  private long[] consume() {
    final long[] nanos = new long[records - warmUp];
    final Map<String, Object> settings = Map.of("bootstrap.servers", server);
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      final TopicPartition partition = new TopicPartition(TOPIC, 0);
      consumer.assign(List.of(partition));
      consumer.seekToEnd(List.of(partition));
      final long first = consumer.position(partition);
      subscribed.countDown();
      for (int count = 0; count < records; ) {
        for (final ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(30))) {
          final long now = System.nanoTime();
          if (record.offset() != first + count || !payload.equals(record.value())) {
            throw new IllegalStateException("a subscriber was sent something else");
          }
          if (count >= warmUp) {
            nanos[count - warmUp] = now - dueAt(count);
          }
          count += 1;
        }
      }
    }
    return nanos;
  }

  /** The share of records that were sent late. */
  private double produce() {
    final Map<String, Object> settings =
        Map.of("bootstrap.servers", server, "acks", "1", "linger.ms", 0);
    final AtomicInteger failed = new AtomicInteger();
    int late = 0;
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      producer.partitionsFor(TOPIC);
      start = System.nanoTime() + LEAD_NANOS;
      for (int record = 0; record < records; record += 1) {
        while (System.nanoTime() < dueAt(record)) {
          Thread.yield(); // consumers have the same processor
        }
        late += System.nanoTime() - dueAt(record) > LATE_NANOS ? 1 : 0;
        producer.send(
            new ProducerRecord<>(TOPIC, 0, null, payload),
            (where, error) -> failed.addAndGet(error == null ? 0 : 1));
      }
    }
    if (failed.get() > 0) {
      throw new IllegalStateException(failed.get() + " records were not acknowledged");
    }
    return (double) late / records;
  }

  private static double micros(long[] sorted, double share) {
    return sorted[(int) Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] / 1e3;
  }

  private void run() throws InterruptedException {
    final int subscribers = (int) subscribed.getCount();
    final long[][] found = new long[subscribers][];
    final Thread[] threads = new Thread[subscribers];
    for (int i = 0; i < subscribers; i += 1) {
      final int number = i;
      threads[i] = new Thread(() -> found[number] = consume());
      threads[i].setDaemon(true); // one that fails ends nothing that waits for the others
      threads[i].setUncaughtExceptionHandler(
          (thread, error) -> {
            System.err.println(error);
            Runtime.getRuntime().halt(1);
          });
      threads[i].start();
    }
    subscribed.await();
    final double lateShare = produce();
    for (final Thread thread : threads) {
      thread.join();
    }
    final long[] all = Arrays.stream(found).flatMapToLong(Arrays::stream).sorted().toArray();
    final long received = (long) records * subscribers;
    System.out.printf(
        Locale.ROOT,
        "{\"records\":%d,\"p50\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,\"max\":%.1f,"
            + "\"lateShare\":%.5f,"
            + "\"check\":\"%d records received, in order, and %d acknowledged\"}%n",
        received, micros(all, 0.5), micros(all, 0.99), micros(all, 0.999), micros(all, 1),
        lateShare, received, records);
  }

  public static void main(String[] arguments) throws InterruptedException {
    new KafkaLatency(arguments).run();
  }
}
