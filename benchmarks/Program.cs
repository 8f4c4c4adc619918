using System.Globalization;
using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Mutations;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    case ["store"]:
        StoreBenchmark.Run();
        break;
    case ["interruption"]:
        InterruptionBenchmark.Run(kills: 10);
        break;
    case ["interruption-training", .. var directory]:
        InterruptionBenchmark.Train(directory.FirstOrDefault());
        break;
    case ["sampling"]:
        SamplingBenchmark.Run(rounds: 7);
        break;
    case ["latency"]:
        LatencyBenchmark.Run(rounds: 7);
        break;
    case ["sampling-memory", var rows]:
        SamplingBenchmark.PrintPeakMemory(int.Parse(rows, CultureInfo.InvariantCulture));
        break;
    case ["onnx"]:
        OnnxBenchmark.Run(rounds: 3);
        break;
    case ["onnx-start", var file]:
        OnnxBenchmark.PrintStart(file);
        break;
    case ["quality", .. var rest]:
        QualityBenchmark.Run(new(
            rest, "--data", "--data-dir", "--model", "--trainings", "--epochs", "--seeds", "--guidance", "--steps",
            "--samplings", "--count", "--cas"));
        break;
    case ["curve", .. var rest]:
        QualityBenchmark.RunCurve(new(
            rest, "--data", "--data-dir", "--trainings", "--epochs", "--minutes", "--guidance", "--count", "--cas"));
        break;
    case ["losses", .. var rest]:
        LossBenchmark.Run(new(rest, "--data", "--data-dir", "--trainings", "--epochs", "--seeds"));
        break;
    case ["warm-start", .. var rest]:
        WarmStartBenchmark.Run(new(
            rest, "--model", "--data", "--data-dir", "--epochs", "--seeds", "--learning-rate"));
        break;
    case ["augmentation", .. var rest]:
        AugmentationBenchmark.Run(new(
            rest,
            [
                "--data", "--data-dir", "--counts", "--minority", "--per-label", "--seeds", "--arms", "--steps",
                "--generator", "--generator-epochs", "--guidance",
            ],
            ["--write"]));
        break;
    case ["evaluation", .. var rest]:
        EvaluationBenchmark.Run(new(rest, "--rows", "--features"));
        break;
    case ["mutations", .. var rest]:
        MutationBenchmark.Run(new(rest, "--count", "--first"));
        break;
    default:
        Console.Error.WriteLine(
            """
            Usage: dotnet run -c Release --project benchmarks -- COMMAND
              training | sampling | latency | onnx | store | interruption
              quality [--model FILE.zip,...] [--trainings NAME,...] [--epochs N] [--seeds N]
                      [--guidance G,...] [--steps N,...] | [--samplings STEPS:SPACING:GUIDANCE[:LOW-HIGH],...] DATA
              curve   --trainings NAME,... --minutes N,... [--epochs N] [--guidance G,...] DATA
              losses  --trainings NAME,... [--epochs N] [--seeds N] DATA
              warm-start [--model FILE.zip] [--data DATA] [--data-dir DIR] [--epochs N] [--seeds N]
                      [--learning-rate R]
              augmentation [--counts N,... | --minority LABEL:N,...] [--per-label N] [--arms NAME,...]
                      [--seeds N] [--steps N] [--generator NAME] [--generator-epochs N] [--guidance N]
                      [--data mnist|fashion-mnist] [--data-dir DIR]
              augmentation --write
              evaluation [--rows N] [--features N]
              mutations [--count N] [--first N]
            DATA is [--data mnist|fashion-mnist] [--data-dir DIR] [--count N] [--cas N]: N images of each label, and N
            classifiers that learn from them. LOW and HIGH are the noise levels between which steps are guided, as in
            20:LogSnr:1.5,8:Focused:1.5:0.5-5.
            """);
        return 2;
}
return 0;
