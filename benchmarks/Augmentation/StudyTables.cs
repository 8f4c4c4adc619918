namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>Describes the results of studies, in Markdown.</summary>
internal static class StudyTables
{
    private const string Source = "https://arxiv.org/abs/2105.02340";

    /// <summary>
    /// Mean recalls that others report for the published counts, in % (Dablain et al. 2021, arXiv 2105.02340, table I).
    /// </summary>
    private static readonly (string Method, double Mnist, double FashionMnist)[] Published =
    [
        ("SMOTE", 87.98, 70.58),
        ("GAMO", 95.52, 83.03),
        ("DeepSMOTE", 96.09, 83.63),
    ];

    /// <summary>Returns the title, the tables and the differences of a section.</summary>
    public static string Describe(StudySection section)
    {
        var protocol = section.Protocol;
        var images = protocol.CountsByLabel.Sum();
        string[] paragraphs =
        [
            $"### {section.Title}",
            $"{protocol.Steps} steps of {StudyProtocol.BatchSize} images for each classifier; " +
                $"{protocol.GeneratorEpochs} epochs of {images} images for the generator.\n" +
                "Recalls are in %, with the 95 % interval of the mean over the seeds." +
                (protocol.Minority is null ? " The highest mean is bold." : ""),
            .. protocol.Minority is { } label ? DescribeMinority(section, label) : DescribeCounts(section),
            .. DescribeQuality(section),
        ];
        return string.Join("\n\n", paragraphs);
    }

    /// <summary>Returns the title and the table of trials of other generators; nothing without any.</summary>
    /// <param name="rows">The rows of the study and of the trials.</param>
    /// <param name="qualities">What was measured of the generated images.</param>
    public static string DescribeTrials(IReadOnlyList<StudyRow> rows, IReadOnlyList<GeneratedQuality> qualities)
    {
        var trials = rows.Where(row => !row.Protocol.IsOfStudy && row.Protocol.Untried.IsOfStudy);
        var sections = StudySection.Of(trials, qualities);
        if (sections.Count == 0) return "";

        var table = Table(
            ["data", "generator", "guidance", "arm", "seeds", "mean recall", "more", "authentic", "label seen"],
            sections.SelectMany(trial => trial.Arms.Select(arm => DescribeTrial(trial, arm, rows))));
        return "### Other generators\n\n" +
            "Trials, and how much more mean recall they give than the study with the same seeds, in points. The\n" +
            "last columns are the means of the labels, as above.\n\n" + table;
    }

    private static string[] DescribeTrial(StudySection trial, StudyArm arm, IReadOnlyList<StudyRow> rows)
    {
        var protocol = trial.Protocol;
        var study = rows.Where(row => row.Protocol == protocol.Untried && row.Arm == arm.Name);
        return
        [
            trial.DataTitle,
            protocol.Generator,
            protocol.Guidance is { } guidance ? FormattableString.Invariant($"{guidance}") : "default",
            arm.Title,
            $"{trial.Of(arm).Count()}",
            Percent(trial.Mean(arm, row => row.MeanRecall)),
            Points(StudySection.Difference(trial.Of(arm), study, row => row.MeanRecall)),
            Mean(quality => quality.Authenticity),
            Mean(quality => quality.LabelAccuracy),
        ];

        string Mean(Func<GeneratedQuality, double?[]> get) =>
            trial.Qualities.SelectMany(get).Average() is { } mean ? $"{100 * mean:F1}" : "";
    }

    private static IEnumerable<string> DescribeCounts(StudySection section)
    {
        var protocol = section.Protocol;
        string[] labels = [.. protocol.CountsByLabel.Select((count, label) => $"{label} ({count})")];
        yield return Table(
            ["arm", "seeds", "mean recall", .. labels, "processor minutes", "of the generator"],
            [.. section.Arms.Select(arm => DescribeArm(section, arm)), .. DescribePublished(protocol)]);

        var refused = DescribeRefused(section);
        if (refused.Length > 0) yield return refused;

        var differences = DescribeDifferences(section, "", row => row.MeanRecall);
        if (differences.Length == 0) yield break;

        yield return
            "What generated images add to the mean recall of another arm with the same seeds, in points. Bold is a\n" +
            "difference beyond its interval.";
        yield return Table(["", .. Baselines(section).Select(arm => arm.Title)], differences);
        yield return "The same for each label, where the arms differ in the generated images alone:";
        yield return Table(["", .. labels], DescribeLabels(section));
    }

    private static IEnumerable<string> DescribeMinority(StudySection section, int label)
    {
        var parts = section.Parts;
        string[] names = [.. parts.Select(part => $"{part.Protocol.CountsByLabel[label]} images")];
        yield return Table(
            ["arm", "seeds", .. names.SelectMany(name => new[] { $"{name}: label {label}", "all labels" })],
            section.Arms.Select(arm => (string[])
            [
                arm.Title,
                $"{parts.Max(part => part.Of(arm).Count())}",
                .. parts.SelectMany(part => new[]
                {
                    Percent(part.Mean(arm, row => row.Recalls[label])), Percent(part.Mean(arm, row => row.MeanRecall)),
                }),
            ]));

        string[][] differences =
        [
            .. parts.SelectMany((part, i) =>
                DescribeDifferences(part, $"{names[i]}, ", row => row.Recalls[label], Baselines(section))),
        ];
        if (differences.Length == 0) yield break;

        yield return
            $"What generated images add to the recall of label {label} of another arm with the same seeds, in\n" +
            "points. Bold is a difference beyond its interval.";
        yield return Table(["", .. Baselines(section).Select(arm => arm.Title)], differences);
    }

    private static IEnumerable<string> DescribeQuality(StudySection section)
    {
        if (section.Qualities.Count == 0) yield break;

        (string Label, GeneratedQuality[] Qualities, int Index)[] labels =
        [
            .. section.Parts.SelectMany(part => part.Protocol.CountsByLabel.Index()
                .Where(label => label.Item < part.Protocol.Wanted && part.Qualities.Count > 0)
                .Select(label => ($"{label.Index} ({label.Item})", part.Qualities.ToArray(), label.Index))),
        ];
        yield return
            "The generated images of each label, by a classifier of all training images of the data set: how many\n" +
            "are *authentic*, not nearer to their nearest real image than that one is to any other; how many test\n" +
            "images are; and in how many generated ones the classifier sees the label. In %, the means of the seeds.";
        yield return Table(
            ["", .. labels.Select(label => label.Label)],
            [
                Row("authentic, generated", quality => quality.Authenticity),
                Row("authentic, test images", quality => quality.TestAuthenticity),
                Row("label seen", quality => quality.LabelAccuracy),
            ]);

        string[] Row(string title, Func<GeneratedQuality, double?[]> get) =>
        [
            title,
            .. labels.Select(label =>
                label.Qualities.Average(quality => get(quality)[label.Index]) is { } mean ? $"{100 * mean:F1}" : ""),
        ];
    }

    private static string[] DescribeArm(StudySection section, StudyArm arm)
    {
        var best = section.Arms.MaxBy(other => section.Mean(other, row => row.MeanRecall)!.Value.Mean);
        var mean = Percent(section.Mean(arm, row => row.MeanRecall));

        // The slower processors, which compute in float32 only, are left out.
        StudyRow[] timed =
        [
            .. section.Of(arm).Where(row => !row.Machine.EndsWith(Provenance.Float32Only, StringComparison.Ordinal)),
        ];
        return
        [
            arm.Title,
            $"{section.Of(arm).Count()}",
            arm == best ? $"**{mean}**" : mean,
            .. Enumerable.Range(0, StudyImages.Labels).Select(label =>
                $"{100 * section.Mean(arm, row => row.Recalls[label])!.Value.Mean:F1}"),
            $"{timed.Min(row => (double?)row.Minutes):F1}",
            $"{timed.Min(row => row.GeneratorMinutes):F1}",
        ];
    }

    private static IEnumerable<string[]> DescribePublished(StudyProtocol protocol)
    {
        if (!protocol.HasPublishedCounts) return [];

        return Published.Select(result => (string[])
        [
            $"{result.Method}, [published]({Source})",
            "",
            $"{(protocol.Data == "mnist" ? result.Mnist : result.FashionMnist):F2}",
            .. Enumerable.Repeat("", StudyImages.Labels + 2),
        ]);
    }

    private static string DescribeRefused(StudySection section)
    {
        string[] sentences =
        [
            Describe(isFiltered: false, "Of all generated images, ", row => row.Copied, "were near copies"),
            Describe(isFiltered: true, "Where it filters, the classifier refused ", row => row.Disputed, "of them"),
        ];
        return string.Join('\n', sentences.Where(sentence => sentence.Length > 0));

        string Describe(bool isFiltered, string beginning, Func<StudyRow, int?> count, string end)
        {
            StudyRow[] counted =
            [
                .. section.Rows.Where(row => row.Disputed is not null)
                    .Where(row => StudyArm.Find(row.Arm).IsFiltered == isFiltered).DistinctBy(row => row.Seed),
            ];
            if (counted.Length == 0) return "";

            var accepted = (double)section.Protocol.Missing * counted.Length;
            var all = accepted + counted.Sum(row => row.Disputed!.Value + row.Copied!.Value);
            return $"{beginning}{counted.Sum(count) / all:P1} {end}.";
        }
    }

    private static string[][] DescribeDifferences(
        StudySection section, string prefix, Func<StudyRow, double> value, IEnumerable<StudyArm>? baselines = null) =>
    [
        .. section.Arms.Where(arm => arm.WithoutGenerated is not null).Select(arm => (string[])
        [
            $"{prefix}{arm.Title}",
            .. (baselines ?? Baselines(section)).Select(baseline => Points(section.Difference(arm, baseline, value))),
        ]),
    ];

    private static IEnumerable<string[]> DescribeLabels(StudySection section)
    {
        foreach (var arm in section.Arms)
        {
            if (arm.WithoutGenerated is not { } name) continue;

            var baseline = StudyArm.Find(name);
            yield return
            [
                $"{arm.Title} minus {baseline.Title}",
                .. Enumerable.Range(0, StudyImages.Labels).Select(label =>
                    Points(section.Difference(arm, baseline, row => row.Recalls[label]))),
            ];
        }
    }

    private static IEnumerable<StudyArm> Baselines(StudySection section) =>
        section.Arms.Where(arm => arm.WithoutGenerated is null);

    private static string Percent(MeanInterval? mean) => mean switch
    {
        null => "",
        { HalfWidth: { } half } => $"{100 * mean.Value.Mean:F2} ± {100 * half:F2}",
        _ => $"{100 * mean.Value.Mean:F2}",
    };

    private static string Points(MeanInterval? difference)
    {
        if (difference is not { } points) return "";

        var half = points.HalfWidth is { } width ? $" ± {100 * width:F2}" : "";
        var text = $"{100 * points.Mean:+0.00;−0.00;0.00}{half}";
        return points.ExcludesZero ? $"**{text}**" : text;
    }

    private static string Table(string[] head, IEnumerable<string[]> rows) => string.Join(
        '\n', rows.Prepend([.. head.Select(_ => "---")]).Prepend(head).Select(row => $"| {string.Join(" | ", row)} |"));
}
