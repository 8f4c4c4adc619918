using CondDiffusion.Examples;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures what a classifier of scarce images gains from generated ones, and from what needs no generator. An
/// interrupted run goes on where it was.
/// </summary>
internal static class AugmentationBenchmark
{
    private const string Results = "benchmarks/results/augmentation.jsonl";
    private const string Qualities = "benchmarks/results/augmentation-images.jsonl";
    private const string Documents = "docs";

    /// <summary>Measures the rows that the results file does not have, and writes the document.</summary>
    public static void Run(Arguments arguments)
    {
        if (!arguments.Has("--write")) Measure(arguments);
        StudyReport.Write(
            Documents, JsonLines.ReadAll<StudyRow>(Results), JsonLines.ReadAll<GeneratedQuality>(Qualities));
    }

    private static void Measure(Arguments arguments)
    {
        var protocols = StudyProtocol.Read(arguments);
        StudyArm[] arms =
            arguments.Find("--arms") is { } names ? [.. names.Split(',').Select(StudyArm.Find)] : [.. StudyArm.All];
        var command = Provenance.FindCommand();
        var ml = new MLContext();
        var data = protocols[0].Data;
        var hasGenerator = arms.Any(arm => arm.WithoutGenerated is not null);
        var directory = arguments.Find("--data-dir");
        var training = DataSet.Load(ml, data, directory);
        var test = new Lazy<IReadOnlyList<GreyImage>>(
            () => StudyImages.ReadAll(DataSet.Load(ml, data, directory, MnistSplit.Test)));
        var meter = new Lazy<GeneratedQualityMeter>(() => GeneratedQualityMeter.Create(ml, data, training));
        foreach (var seed in Enumerable.Range(1, arguments.Number("--seeds", 5)))
        {
            foreach (var protocol in protocols)
            {
                using var study = new Study(protocol, seed, training, test);
                foreach (var arm in arms) Measure(study, protocol, seed, arm, command);
                if (hasGenerator) Measure(meter, study, protocol.WithStudySteps, seed, command);
            }
        }

        var rows = JsonLines.ReadAll<StudyRow>(Results).Where(row => protocols.Contains(row.Protocol));
        var sections = StudySection.Of(rows, JsonLines.ReadAll<GeneratedQuality>(Qualities));
        Console.WriteLine($"\n{string.Join("\n\n", sections.Select(StudyTables.Describe))}");
    }

    private static void Measure(Study study, StudyProtocol protocol, int seed, StudyArm arm, string command)
    {
        var row = JsonLines.ReadAll<StudyRow>(Results)
            .LastOrDefault(row => row.Protocol == protocol && row.Seed == seed && row.Arm == arm.Name);
        if (row is null)
        {
            try
            {
                row = study.Measure(arm, command);
            }
            catch (InvalidOperationException exception)
            {
                // The other arms can still be measured.
                Console.Error.WriteLine($"The arm {arm.Name} has no row for seed {seed}: {exception.Message}");
                return;
            }

            JsonLines.Append(Results, row);
        }
        else
        {
            Console.Error.WriteLine($"The next row is not measured again: {Results} has it, of commit {row.Commit}.");
        }

        Console.WriteLine(row);
    }

    private static void Measure(
        Lazy<GeneratedQualityMeter> meter, Study study, StudyProtocol protocol, int seed, string command)
    {
        var isDone = JsonLines.ReadAll<GeneratedQuality>(Qualities)
            .Any(row => row.Protocol == protocol && row.Seed == seed);
        if (!isDone) JsonLines.Append(Qualities, meter.Value.Measure(study, protocol, seed, command));
    }
}
