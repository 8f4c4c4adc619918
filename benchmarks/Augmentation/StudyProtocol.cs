using System.Text.Json.Serialization;
using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>What the arms of a study have in common.</summary>
internal sealed record StudyProtocol
{
    /// <summary>Images in a step of a classifier's training.</summary>
    public const int BatchSize = 128;

    private const int StudySteps = 2000;
    private const int LongSteps = 2 * StudySteps; // of the published counts
    private const int LeastGeneratorSteps = 5000;
    private const int CountOfOthers = 4000; // images of the labels beside a minority

    // Of the study of plentiful images: nearly all training images of MNIST, and half as many generated ones.
    private const int PlentifulCount = 5400;
    private const int PlentifulPerLabel = 8000;

    /// <summary>The numbers of images of each label in published studies.</summary>
    private const string PublishedCounts = "4000,2000,1000,750,500,350,200,100,60,40";

    /// <summary>The data set, "mnist" or "fashion-mnist".</summary>
    public required string Data { get; init; }

    /// <summary>The number of real images of each label, with commas.</summary>
    public required string Counts { get; init; }

    /// <summary>
    /// Real and other images of each label in the arms that have others; null for as many as the most frequent label
    /// has real ones.
    /// </summary>
    public int? PerLabel { get; init; }

    /// <summary>Steps of each classifier's training.</summary>
    public required int Steps { get; init; }

    /// <summary>The name of the generator's training.</summary>
    public string Generator { get; init; } = StudyTraining.Default.Name;

    /// <summary>Epochs of the generator's training.</summary>
    public required int GeneratorEpochs { get; init; }

    /// <summary>The guidance with which images are generated; null for the default of an augmentation.</summary>
    public double? Guidance { get; init; }

    /// <summary>Gets the number of real images of each label.</summary>
    [JsonIgnore]
    public IReadOnlyList<int> CountsByLabel => [.. Counts.Split(',').Select(int.Parse)];

    /// <summary>Gets the number of images that each label is to have, real and others.</summary>
    [JsonIgnore]
    public int Wanted => PerLabel ?? CountsByLabel.Max();

    /// <summary>Gets the number of images that are missing until each label has as many as it is to have.</summary>
    [JsonIgnore]
    public int Missing => CountsByLabel.Sum(count => Math.Max(Wanted - count, 0));

    /// <summary>Gets the only label that has fewer images than the others; null if there is none.</summary>
    [JsonIgnore]
    public int? Minority
    {
        get
        {
            var counts = CountsByLabel;
            int[] rare = [.. counts.Index().Where(label => label.Item < counts.Max()).Select(label => label.Index)];
            return rare is [var label] ? label : null;
        }
    }

    /// <summary>Gets whether the protocol is of the study in the documents, rather than of a trial.</summary>
    [JsonIgnore]
    public bool IsOfStudy =>
        WithStudySteps == Create(Data, Counts, PerLabel) &&
        (Steps == StudySteps || (IsLong && HasPublishedCounts)) &&
        (PerLabel is null ? HasPublishedCounts || IsMinorityOfStudy : IsPlentiful);

    /// <summary>Gets whether the classifiers take twice the steps of the study.</summary>
    [JsonIgnore]
    public bool IsLong => Steps == LongSteps;

    /// <summary>Gets the same protocol with the steps of the study, which has the same generated images.</summary>
    [JsonIgnore]
    public StudyProtocol WithStudySteps => this with { Steps = StudySteps };

    /// <summary>Gets the protocol of the study with which a trial of another generator is to be compared.</summary>
    [JsonIgnore]
    public StudyProtocol Untried => this with { Generator = StudyTraining.Default.Name, Guidance = null };

    /// <summary>Gets whether the labels have as many images as in published studies.</summary>
    [JsonIgnore]
    public bool HasPublishedCounts => Counts == PublishedCounts;

    private bool IsMinorityOfStudy =>
        Minority is { } label && Counts == MakeRare(label, CountsByLabel[label]);

    private bool IsPlentiful =>
        PerLabel == PlentifulPerLabel && CountsByLabel.All(count => count == PlentifulCount);

    /// <summary>Returns the protocol of the study for a data set and numbers of images.</summary>
    public static StudyProtocol Create(string data, string counts, int? perLabel = null)
    {
        var images = counts.Split(',').Sum(int.Parse);
        var batches = Math.Ceiling((double)images / StudyTraining.Default.Options.BatchSize);
        return new()
        {
            Data = data,
            Counts = counts,
            PerLabel = perLabel,
            Steps = StudySteps,
            GeneratorEpochs = (int)Math.Ceiling(LeastGeneratorSteps / batches),
        };
    }

    /// <summary>Reads the protocols that options ask for: one, or one for each minority.</summary>
    /// <exception cref="UsageException">An option has no value that makes sense; the message names it.</exception>
    public static IReadOnlyList<StudyProtocol> Read(Arguments arguments)
    {
        var data = arguments.Find("--data") ?? "mnist";
        if (data is not ("mnist" or "fashion-mnist"))
            throw new UsageException($"Option --data must be mnist or fashion-mnist, but is '{data}'.");
        if (arguments.Has("--counts") && arguments.Has("--minority"))
            throw new UsageException("Options --counts and --minority exclude each other.");

        string[] counts = arguments.Find("--minority") is { } minorities
            ? [.. minorities.Split(',').Select(ReadMinority)]
            : [ReadCounts(arguments.Find("--counts") ?? PublishedCounts)];
        int? perLabel = arguments.Has("--per-label") ? arguments.Number("--per-label", 0) : null;
        return
        [
            .. counts.Select(text => Create(data, text, perLabel)).Select(study => study with
            {
                Steps = arguments.Number("--steps", study.Steps),
                Generator = StudyTraining.Find(arguments.Find("--generator") ?? study.Generator).Name,
                Guidance = arguments.FindDouble("--guidance"),
                GeneratorEpochs = arguments.Number("--generator-epochs", study.GeneratorEpochs),
            }),
        ];
    }

    private static string ReadCounts(string text)
    {
        int?[] counts = [.. text.Split(',').Select(ReadCount)];
        return counts.Length == StudyImages.Labels && !counts.Contains(null)
            ? string.Join(',', counts)
            : throw new UsageException(
                $"Option --counts must be {StudyImages.Labels} whole numbers of at least 1, one for each label, but " +
                $"is '{text}'.");
    }

    private static string ReadMinority(string text) =>
        text.Split(':') is [var name, var number] && int.TryParse(name, out var label) &&
        label is >= 0 and < StudyImages.Labels && ReadCount(number) is { } count and < CountOfOthers
            ? MakeRare(label, count)
            : throw new UsageException(
                "Option --minority must be a label and its number of images, such as 8:10, with a label below " +
                $"{StudyImages.Labels} and from 1 to {CountOfOthers - 1} images, but is '{text}'.");

    private static int? ReadCount(string text) => int.TryParse(text, out var count) && count >= 1 ? count : null;

    private static string MakeRare(int label, int count) => string.Join(
        ',', Enumerable.Range(0, StudyImages.Labels).Select(other => other == label ? count : CountOfOthers));
}
