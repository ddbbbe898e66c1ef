// Sends each line of its input as the key of a record, and tells where it went: with
// Kafka's own producer, as its default partitioner decides.
//
//   java -cp 'kafka/*' Partitions.java BROKER TOPIC

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class Partitions {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        var serializer = new StringSerializer();
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (var producer = new KafkaProducer<>(settings, serializer, serializer)) {
            Map<String, Future<RecordMetadata>> sent = new LinkedHashMap<>();
            for (String key = input.readLine(); key != null; key = input.readLine()) {
                sent.put(key, producer.send(new ProducerRecord<>(arguments[1], key, "")));
            }
            for (var entry : sent.entrySet()) {
                output.println(entry.getKey() + "\t" + entry.getValue().get().partition());
            }
        }
    }
}
